//! The classic builder: one call with the context as its body, and a stream of prose.
//!
//! Engine API v1.24 to v1.53, `ImageBuild` without `version=2`; Podman answers the same call.

use std::collections::HashMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::failure::{convert, refusal};
use super::super::{Engine, LogStream};
use super::{BuildEvent, BuildRequest, BuildStep, Built, OnEvent, TarStream};
use crate::error::{Error, ErrorKind, Result};

const STEP: &str = "build the image";

/// A line of the answer.
#[derive(Debug, Default, Deserialize)]
struct Message {
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<Value>,
    aux: Option<Value>,
    status: Option<String>,
    id: Option<String>,
    #[serde(rename = "progressDetail")]
    progress: Option<Value>,
}

impl Engine {
    /// Builds by the classic builder. `name` is the Dockerfile's within the archive; `registries`
    /// are those that base images come from; `on_image` is told the images that steps made.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, which ends the build.
    pub(crate) async fn build_classic(
        &self,
        request: &BuildRequest,
        name: &str,
        archive: TarStream,
        registries: &[String],
        on_event: &OnEvent,
        on_image: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Built> {
        let body = StreamBody::new(archive.map(|piece| piece.map(Frame::data)));
        let mut http = Request::post(format!("/build?{}", query(request, name)))
            .header("Content-Type", "application/x-tar");
        if let Some(config) = self.registry_config(registries).await {
            http = http.header("X-Registry-Config", config);
        }
        let http = http.body(body).map_err(|error| {
            Error::invalid("build", "a value can't be sent to the engine").with_source(error)
        })?;
        let answer = self.dialer().exchange(http).await.map_err(|error| convert(STEP, error))?;
        let mut reader = Prose::new(on_event.clone(), on_image);
        read(answer, &mut reader).await?;
        reader.finish()
    }

    async fn registry_config(&self, registries: &[String]) -> Option<String> {
        let mut config = HashMap::new();
        for registry in registries {
            if let Some(login) = self.login_for(registry).await {
                let header = login.into_header();
                config.insert(header.serveraddress.clone().unwrap_or_default(), header);
            }
        }
        let text = (!config.is_empty()).then(|| serde_json::to_vec(&config).ok()).flatten()?;
        Some(URL_SAFE.encode(text))
    }
}

fn query(request: &BuildRequest, name: &str) -> String {
    let mut pairs: Vec<(&str, String)> = vec![
        ("dockerfile", name.to_owned()),
        ("rm", "1".to_owned()),
        // A failed step would otherwise leave its container.
        ("forcerm", "1".to_owned()),
    ];
    let flags = [("nocache", request.no_cache), ("pull", request.pull)];
    pairs.extend(flags.into_iter().filter(|(_, set)| *set).map(|(key, _)| (key, "1".to_owned())));
    pairs.extend(request.tags.iter().map(|tag| ("t", tag.clone())));
    pairs.extend(
        request.extra_hosts.iter().map(|(host, ip)| ("extrahosts", format!("{host}:{ip}"))),
    );
    let optional = [
        ("target", request.target.clone()),
        ("platform", request.platform.clone()),
        ("networkmode", request.network.clone()),
        ("shmsize", request.shm_size.map(|bytes| bytes.to_string())),
    ];
    pairs.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    if !request.args.is_empty() {
        pairs.push(("buildargs", json!(request.args).to_string()));
    }
    if !request.labels.is_empty() {
        pairs.push(("labels", json!(request.labels).to_string()));
    }
    if !request.ulimits.is_empty() {
        let limit = |limit: &super::Ulimit| json!({ "Name": limit.name, "Soft": limit.soft, "Hard": limit.hard });
        let limits: Vec<Value> = request.ulimits.iter().map(limit).collect();
        pairs.push(("ulimits", json!(limits).to_string()));
    }
    if !request.cache_from.is_empty() {
        let images: Vec<&String> =
            request.cache_from.iter().filter_map(|entry| entry.attributes.get("ref")).collect();
        pairs.push(("cachefrom", json!(images).to_string()));
    }
    let pairs: Vec<String> =
        pairs.into_iter().map(|(key, value)| format!("{key}={}", encoded(&value))).collect();
    pairs.join("&")
}

/// Percent-encoded for a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

async fn read(answer: Response<Incoming>, reader: &mut Prose<'_>) -> Result<()> {
    let status = answer.status();
    let mut body = answer.into_body();
    if status != StatusCode::OK {
        let text = body.collect().await.map(|text| text.to_bytes()).unwrap_or_default();
        let error = refusal(STEP, status.as_u16(), &text);
        // Not to be understood, as opposed to not to be done.
        return Err(match status.as_u16() {
            400 => Error::new(ErrorKind::Build, error.to_string()).with_status(400),
            _ => error,
        });
    }
    let mut buffer = BytesMut::new();
    loop {
        let Some(frame) = next(&mut body).await? else { break };
        buffer.extend_from_slice(&frame);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            reader.line(&line)?;
        }
    }
    reader.line(&buffer)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(convert(STEP, error.into())),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
        if body.is_end_stream() {
            return Ok(None);
        }
    }
}

/// Makes events of the classic builder's prose.
struct Prose<'a> {
    on_event: OnEvent,
    on_image: &'a (dyn Fn(&str) + Send + Sync),
    step: Option<BuildStep>,
    image: Option<String>,
}

impl<'a> Prose<'a> {
    fn new(on_event: OnEvent, on_image: &'a (dyn Fn(&str) + Send + Sync)) -> Prose<'a> {
        Prose { on_event, on_image, step: None, image: None }
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message: Message = serde_json::from_slice(line).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                "failed to build the image: the engine's answer makes no sense",
            )
            .with_source(error)
        })?;
        if let Some(id) = message.aux.as_ref().and_then(|aux| aux["ID"].as_str()) {
            // Those of intermediate stages come as well, and earlier.
            self.image = Some(id.to_owned());
        }
        if let Some(text) = &message.stream {
            self.prose(text);
        }
        if let Some(status) = message.status {
            let step = self.step.as_ref().map(|step| step.id.clone()).unwrap_or_default();
            let progress = message.progress.unwrap_or_default();
            (self.on_event)(BuildEvent::Progress {
                step,
                part: format!("{status} {}", message.id.unwrap_or_default()).trim().to_owned(),
                current: progress["current"].as_u64().unwrap_or_default(),
                total: progress["total"].as_u64(),
            });
        }
        match message.error {
            Some(error) => Err(self.failed(&error, message.detail.as_ref())),
            None => Ok(()),
        }
    }

    fn prose(&mut self, text: &str) {
        let trimmed = text.trim();
        if let Some((number, name)) = step(trimmed) {
            self.begin(&number, &name);
            return;
        }
        if trimmed == "---> Using cache" || trimmed.starts_with("--> Using cache") {
            if let Some(step) = &mut self.step {
                step.cached = true;
            }
            return;
        }
        if let Some(id) = trimmed.strip_prefix("Successfully built ") {
            self.image.get_or_insert_with(|| id.to_owned());
            return;
        }
        if let Some(id) = trimmed.strip_prefix("---> ").and_then(short_id)
            && let Some(step) = &self.step
            && !step.cached
            && !step.name.contains("] FROM ")
        {
            (self.on_image)(id);
        }
        let quiet =
            ["---> ", "--> ", "Removing intermediate container", "Successfully tagged", "COMMIT "];
        if quiet.iter().any(|start| trimmed.starts_with(start)) {
            return;
        }
        let step = self.step.as_ref().map(|step| step.id.clone()).unwrap_or_default();
        (self.on_event)(BuildEvent::Log { step, stream: LogStream::Stdout, text: text.to_owned() });
    }

    fn begin(&mut self, number: &str, name: &str) {
        let before = self.end(None);
        let step = BuildStep {
            id: number.to_owned(),
            name: format!("[{number}] {name}"),
            inputs: before.into_iter().collect(),
            started: Some(SystemTime::now()),
            ..BuildStep::default()
        };
        (self.on_event)(BuildEvent::Step(step.clone()));
        self.step = Some(step);
    }

    /// The step that runs has ended; gives its id.
    fn end(&mut self, error: Option<String>) -> Option<String> {
        let mut step = self.step.take()?;
        step.completed = Some(SystemTime::now());
        step.error = error;
        (self.on_event)(BuildEvent::Step(step.clone()));
        Some(step.id)
    }

    fn failed(&mut self, text: &str, detail: Option<&Value>) -> Error {
        let name = self.step.as_ref().map(|step| step.name.clone());
        let code = detail.and_then(|detail| detail["code"].as_i64());
        self.end(Some(text.to_owned()));
        super::super::failure::build_failure(name.as_deref(), text, code)
    }

    fn finish(mut self) -> Result<Built> {
        self.end(None);
        Ok(Built { id: self.image })
    }
}

/// The first twelve digits of an image's id.
fn short_id(text: &str) -> Option<&str> {
    (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// `Step 2/3 : RUN x` of Docker and `STEP 2/3: RUN x` of Podman; Podman has a number in front of the
/// stages where there are several.
fn step(text: &str) -> Option<(String, String)> {
    let at = text.find("Step ").or_else(|| text.find("STEP "))?;
    if at > 0 && !text.starts_with('[') {
        return None;
    }
    let (number, name) = text.get(at + 5..)?.split_once(':')?;
    let number = number.trim();
    let (one, of) = number.split_once('/')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let stage = text[..at].trim();
    let number = if stage.is_empty() { number.to_owned() } else { format!("{stage} {number}") };
    (digits(one) && digits(of)).then(|| (number, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn prose_becomes_events() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let made = Mutex::new(Vec::new());
        let on_image = |id: &str| made.lock().unwrap().push(id.to_owned());
        let mut prose =
            Prose::new(Arc::new(move |event| told.lock().unwrap().push(event)), &on_image);
        for line in [
            r#"{"stream":"Step 1/3 : FROM busybox"}"#,
            r#"{"stream":"\n"}"#,
            r#"{"stream":" ---\u003e Using cache\n"}"#,
            r#"{"stream":" ---\u003e 0123456789aa\n"}"#,
            r#"{"stream":"Step 2/3 : RUN echo Step by step: 1/2"}"#,
            r#"{"stream":"Step by step: 1/2\n"}"#,
            r#"{"stream":" ---\u003e 0123456789ab\n"}"#,
            r#"{"aux":{"ID":"sha256:aa"}}"#,
            r#"{"stream":"STEP 3/3: CMD x"}"#,
        ] {
            prose.line(line.as_bytes()).unwrap();
        }
        let error = r#"{"errorDetail":{"code":3,"message":"it returned a non-zero code: 3"},"error":"it returned a non-zero code: 3"}"#;
        let error = prose.line(error.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Build, Some(3)));
        assert!(error.to_string().contains("[3/3] CMD x"), "{error}");
        assert_eq!(prose.finish().unwrap().id.as_deref(), Some("sha256:aa"));
        let seen = seen.lock().unwrap();
        let cached = seen.iter().any(|event| {
            matches!(event, BuildEvent::Step(step) if step.cached && step.completed.is_some() && step.id == "1/3")
        });
        assert!(cached, "{seen:?}");
        let logged = |wanted: &str| {
            seen.iter().any(|event| matches!(event, BuildEvent::Log { text, .. } if text == wanted))
        };
        assert!(logged("Step by step: 1/2\n"));
        assert_eq!(*made.lock().unwrap(), ["0123456789ab"]);
    }

    #[test]
    fn a_query_is_encoded() {
        let request = BuildRequest {
            args: [("A".to_owned(), "b c&d".to_owned())].into(),
            tags: vec!["x:1".into(), "y/z:2".into()],
            no_cache: true,
            ..BuildRequest::default()
        };
        let query = query(&request, "Dockerfile");
        assert!(query.contains("buildargs=%7B%22A%22:%22b%20c%26d%22%7D"), "{query}");
        assert!(query.contains("t=x:1&t=y/z:2") && query.contains("nocache=1"), "{query}");
    }
}

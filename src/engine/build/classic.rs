//! The classic builder: one call with the context as its body, and prose for an answer.
//!
//! Engine API v1.24 to v1.53, `ImageBuild` without `version=2`; Podman answers the same call.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::super::Client;
use super::super::failure::{convert, refusal};
use super::prose::{OnImage, Prose};
use super::{BuildRequest, Built, OnEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::tar_stream::TarStream;

const STEP: &str = "build the image";

impl Client {
    /// Builds with the classic builder. `name` is the Dockerfile's within the archive; `registries`
    /// are those of the base images; `on_image` is called for each image of a step.
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
        on_image: OnImage<'_>,
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
    // Docker ignores it.
    let step_labels = request.step_labels.iter();
    pairs.extend(step_labels.map(|(key, value)| ("layerLabel", format!("{key}={value}"))));
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
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn read(answer: Response<Incoming>, reader: &mut Prose<'_>) -> Result<()> {
    let status = answer.status();
    let mut body = answer.into_body();
    if status != StatusCode::OK {
        let text = body.collect().await.map(|text| text.to_bytes()).unwrap_or_default();
        let error = refusal(STEP, status.as_u16(), &text);
        // A parse failure, not a build failure.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        let request = BuildRequest {
            args: [("A".to_owned(), "b c&d".to_owned())].into(),
            tags: vec!["x:1".into(), "y/z:2".into()],
            no_cache: true,
            step_labels: vec![("k".into(), "v w".into()), ("l".into(), String::new())],
            ..BuildRequest::default()
        };
        let query = query(&request, "Dockerfile");
        assert!(query.contains("layerLabel=k%3Dv+w&layerLabel=l%3D"), "{query}");
        assert!(query.contains("buildargs=%7B%22A%22%3A%22b+c%26d%22%7D"), "{query}");
        assert!(query.contains("t=x%3A1&t=y%2Fz%3A2") && query.contains("nocache=1"), "{query}");
    }
}

//! The solve: the request to BuildKit, and its answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bollard::errors::Error as BollardError;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, CacheOptionsEntry, ListWorkersRequest, SolveRequest, SolveResponse, StatusRequest,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::super::super::failure::{build_failure, convert, lift};
use super::super::super::{ApiVersion, Client};
use super::super::{BuildOutput, BuildRequest, Built, CacheEntry, NamedContext, OnEvent, Tree};
use super::agent::Agents;
use super::content::{self, Store, Stores};
use super::credentials::Credentials;
use super::outlet::Outlet;
use super::secrets::Secrets;
use super::session::{Services, Session};
use super::sync::Trees;
use super::trace::Trace;
use crate::error::{Error, ErrorKind, Result};
use crate::random;

impl Client {
    /// Builds with BuildKit. `dockerfile` is a tree that holds only the Dockerfile.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections, which ends the build.
    pub(crate) async fn build_with_buildkit(
        &self,
        request: &BuildRequest,
        dockerfile: Arc<Tree>,
        on_event: &OnEvent,
    ) -> Result<Built> {
        let id = random_id();
        let _session = Session::open(self, id.clone(), self.services(request, dockerfile)).await?;
        let mut client =
            ControlClient::new(self.control().await?).max_decoding_message_size(64 << 20);
        let mut trace = Trace::new(on_event.clone());

        let mut watcher = client.clone();
        let status = watcher.status(StatusRequest { r#ref: id.clone() });
        let watching = async {
            match status.await {
                Ok(answer) => {
                    let mut answers = answer.into_inner();
                    // The solve reports the end as well, whatever the reason.
                    while let Ok(Some(status)) = answers.message().await {
                        trace.status(status);
                    }
                }
                Err(error) => tracing::debug!(%error, "the build tells nothing of its progress"),
            }
        };
        let imports = imports(&request.cache_from).await;
        let solving = client.solve(solve(request, id, imports));
        let answer = ended(solving, watching).await;
        match answer {
            Ok(answer) => {
                let answer = answer.into_inner();
                keep(request, &answer).await?;
                Ok(built(answer))
            }
            Err(status) => Err(failed(&status, &trace)),
        }
    }

    /// Returns the platforms whose programs BuildKit can run, including emulated ones.
    pub(crate) async fn build_platforms(&self) -> Result<Vec<String>> {
        let mut client = ControlClient::new(self.control().await?);
        let answer =
            client.list_workers(ListWorkersRequest::default()).await.map_err(|status| {
                Error::new(ErrorKind::Engine, "failed to ask BuildKit for its platforms")
                    .with_source(status)
            })?;
        let platforms = answer.into_inner().record.into_iter().flat_map(|worker| worker.platforms);
        let joined = platforms.map(|platform| {
            let parts = [platform.os, platform.architecture, platform.variant];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            parts.join("/")
        });
        Ok(joined.collect())
    }

    fn services(&self, request: &BuildRequest, dockerfile: Arc<Tree>) -> Services {
        let mut trees = BTreeMap::from([
            ("context".to_owned(), request.context.tree.clone()),
            ("dockerfile".to_owned(), dockerfile),
        ]);
        for (name, context) in &request.named {
            if let NamedContext::Tree(context) = context {
                trees.insert(named_tree(name), context.tree.clone());
            }
        }
        let outlet = match &request.output {
            BuildOutput::Image => None,
            BuildOutput::Tar(sink) | BuildOutput::Oci(sink) => Some(Outlet(sink.clone())),
        };
        Services {
            trees: Trees(trees),
            secrets: Secrets(request.secrets.clone()),
            agents: Agents(request.agents.clone()),
            credentials: Credentials(self.clone()),
            outlet,
            stores: Stores::of(request.cache_from.iter().chain(&request.cache_to)),
            key: request.place(),
        }
    }

    /// Returns an error that names the missing BuildKit endpoint: API v1.53 deprecates both
    /// (moby#51721).
    pub(super) fn no_endpoint(&self, path: &str, error: BollardError) -> Error {
        let error = convert("reach the engine's BuildKit", error);
        let Some(status @ (404 | 410)) = error.status() else { return error };
        let message = format!(
            "the engine ({} with API {}) has no `{path}`, over which castoff builds with BuildKit",
            self.version(),
            self.api_version()
        );
        Error::new(ErrorKind::Unsupported, message)
            .with_status(status)
            .with_source(error)
            .with_hint("use the classic builder, if the Dockerfile does without BuildKit")
    }

    /// Opens a channel to BuildKit's control service, over a connection of the dialer.
    async fn control(&self) -> Result<Channel> {
        // Connected here, since a channel hides why it could not connect.
        let first = match self.dialer().hijack("/grpc", &[]).await {
            Ok(connection) => connection,
            Err(error) => {
                let error = self.no_endpoint("/grpc", error);
                return if self.may_speak_grpc(&error) { self.native().await } else { Err(error) };
            }
        };
        let (engine, mut first) = (self.clone(), Some(first));
        channel(move || {
            let (engine, first) = (engine.clone(), first.take());
            async move {
                let connection = match first {
                    Some(connection) => Ok(connection),
                    None => engine.dialer().hijack("/grpc", &[]).await,
                };
                connection.map(TokioIo::new)
            }
        })
        .await
    }

    /// Opens a channel to the same service on the engine's own socket, which speaks gRPC since API
    /// 1.53 (moby#50744).
    pub(super) async fn native(&self) -> Result<Channel> {
        let engine = self.clone();
        channel(move || {
            let engine = engine.clone();
            async move { engine.dialer().grpc().await }
        })
        .await
    }

    /// Returns whether an engine without a BuildKit endpoint may speak gRPC on its socket instead.
    pub(super) fn may_speak_grpc(&self, error: &Error) -> bool {
        matches!(error.status(), Some(404 | 410)) && self.api_version() >= ApiVersion::new(1, 53)
    }
}

async fn channel<C, F, S, E>(mut connect: C) -> Result<Channel>
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = std::result::Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let connect = tower::service_fn(move |_| {
        let connecting = connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://engine")
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    endpoint.connect_with_connector(connect).await.map_err(|error| {
        Error::new(ErrorKind::Connection, "failed to reach the engine's BuildKit")
            .with_source(error)
    })
}

/// Waits for the answer, and for the rest of the progress after it.
async fn ended<T>(
    solving: impl Future<Output = Result<T, Status>>,
    watching: impl Future<Output = ()>,
) -> Result<T, Status> {
    let (mut solving, mut watching) = (std::pin::pin!(solving), std::pin::pin!(watching));
    let mut watched = false;
    let answer = loop {
        tokio::select! {
            answer = &mut solving => break answer,
            () = &mut watching, if !watched => watched = true,
        }
    };
    if !watched {
        // The progress ends with the build; a builder that does not end it is not waited for.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), watching).await;
    }
    answer
}

fn solve(request: &BuildRequest, id: String, imports: Option<String>) -> SolveRequest {
    let mut exporter = HashMap::new();
    let kind = match &request.output {
        BuildOutput::Image => {
            if !request.tags.is_empty() {
                exporter.insert("name".to_owned(), request.tags.join(","));
            }
            "moby"
        }
        BuildOutput::Tar(_) => "tar",
        BuildOutput::Oci(_) => "oci",
    };
    SolveRequest {
        r#ref: id.clone(),
        exporter_deprecated: kind.to_owned(),
        exporter_attrs_deprecated: exporter,
        session: id,
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes(request, imports),
        cache: Some(CacheOptions {
            exports: request.cache_to.iter().map(cache).collect(),
            ..CacheOptions::default()
        }),
        entitlements: request.entitlements.clone(),
        ..SolveRequest::default()
    }
}

/// Returns the attributes for the Dockerfile frontend (BuildKit, `frontend/dockerui`).
fn attributes(request: &BuildRequest, imports: Option<String>) -> HashMap<String, String> {
    let mut attributes = HashMap::from([("filename".to_owned(), "Dockerfile".to_owned())]);
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            attributes.insert(key.to_owned(), value);
        }
    };
    set("target", request.target.clone());
    set("platform", request.platform.clone());
    set("no-cache", request.no_cache.then(String::new));
    set("image-resolve-mode", request.pull.then(|| "pull".to_owned()));
    set("force-network-mode", request.network.clone());
    set("shm-size", request.shm_size.map(|bytes| bytes.to_string()));
    let hosts: Vec<String> =
        request.extra_hosts.iter().map(|(host, ip)| format!("{host}={ip}")).collect();
    set("add-hosts", (!hosts.is_empty()).then(|| hosts.join(",")));
    let limits: Vec<String> = request
        .ulimits
        .iter()
        .map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard))
        .collect();
    set("ulimit", (!limits.is_empty()).then(|| limits.join(",")));
    set("cache-imports", imports);
    for (name, value) in &request.args {
        set(&format!("build-arg:{name}"), Some(value.clone()));
    }
    for (name, value) in &request.labels {
        set(&format!("label:{name}"), Some(value.clone()));
    }
    for (name, context) in &request.named {
        let source = match context {
            NamedContext::Tree(_) => format!("local:{}", named_tree(name)),
            NamedContext::Image(image) => format!("docker-image://{image}"),
        };
        set(&format!("context:{name}"), Some(source));
    }
    attributes
}

fn named_tree(name: &str) -> String {
    format!("context-{name}")
}

fn cache(entry: &CacheEntry) -> CacheOptionsEntry {
    CacheOptionsEntry {
        r#type: entry.kind.to_owned(),
        attrs: entry.attributes.clone().into_iter().collect(),
    }
}

/// Returns the caches to import, as JSON for the frontend, which runs the builds itself.
async fn imports(entries: &[CacheEntry]) -> Option<String> {
    let mut imports = Vec::new();
    for entry in entries {
        let mut attributes = entry.attributes.clone();
        if let Some(path) = content::directory(entry) {
            // A directory without a cache is not an error.
            let Some(digest) = Store::at(path).latest().await else { continue };
            attributes.insert("digest".to_owned(), digest);
        }
        imports.push(serde_json::json!({ "Type": entry.kind, "Attrs": attributes }));
    }
    (!imports.is_empty()).then(|| serde_json::Value::from(imports).to_string())
}

/// Names the manifest in each cache directory, for the next build.
async fn keep(request: &BuildRequest, answer: &SolveResponse) -> Result<()> {
    let Some(manifest) = answer.exporter_response.get("cache.manifest") else { return Ok(()) };
    for path in request.cache_to.iter().filter_map(content::directory) {
        Store::at(path).keep(manifest).await.map_err(|error| {
            let message = format!("the build's cache can't be kept in {path}");
            Error::new(ErrorKind::Io, message).with_source(error)
        })?;
    }
    Ok(())
}

fn built(answer: SolveResponse) -> Built {
    let told = answer.exporter_response;
    // The former is the id in a classic store, the latter the one in a containerd store.
    let keys = ["containerimage.digest", "containerimage.config.digest"];
    Built { id: keys.iter().find_map(|key| told.get(*key).cloned()) }
}

fn failed(status: &Status, trace: &Trace) -> Error {
    let text = status.message();
    let told = [
        "failed to solve: ",
        "rpc error: ",
        "failed to solve with frontend dockerfile.v0: ",
        "failed to create LLB definition: ",
    ];
    let text = told.iter().fold(text, |text, start| text.strip_prefix(start).unwrap_or(text));
    match trace.failed() {
        Some((step, lines)) => {
            let why = step.error.as_deref().unwrap_or(text);
            build_failure(Some(&step.name), why, None).with_log_tail(lines)
        }
        None if matches!(status.code(), Code::Unavailable | Code::Cancelled) => {
            lift("build the image")(std::io::Error::other(status.clone()).into())
        }
        None => build_failure(None, text, None),
    }
}

/// Returns an id of 25 random letters and digits for a session, like those of BuildKit's own
/// clients.
pub(super) fn random_id() -> String {
    let digit = |byte: u8| char::from_digit(u32::from(byte) % 36, 36);
    random::bytes::<25>().into_iter().filter_map(digit).collect()
}

//! A container engine in memory, behind a unix socket, for tests of every possible failure.
//!
//! It behaves like a small Docker 20.10, records every request, and fails on demand:
//!
//! ```text
//! let fake = FakeEngine::start();
//! fake.add_image("redis:7");
//! fake.on("POST", "/containers/*/start").times(1).fail(500, "no space left on device");
//! connect(&fake.endpoint());
//! assert_eq!(fake.calls(), ["POST /containers/create", "POST /containers/{id}/start"]);
//! ```
//!
//! It has a thread and a runtime of its own, so tests may drop theirs. Conditions and hooks run
//! with its lock held or on its thread: they must not wait for it.
#![allow(dead_code, reason = "what one test leaves out, another uses")]

mod archive;
mod containers;
mod exec;
mod gate;
#[cfg(feature = "buildkit")]
mod grpc;
mod handle;
mod http;
mod images;
mod inspect;
mod lifecycle;
mod nets;
mod routes;
mod script;
mod server;
mod state;
mod stream;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use server::Server;
use state::Shared;
use values::canonical;

#[allow(unused_imports, reason = "named by some tests")]
pub(crate) use gate::Gate;
#[allow(unused_imports, reason = "named by some tests")]
pub(crate) use handle::{FakeContainer, frame};
#[allow(unused_imports, reason = "named by some tests")]
pub(crate) use http::Request;
#[allow(unused_imports, reason = "named by some tests")]
pub(crate) use script::{ExecScript, On, PullScript};
#[allow(unused_imports, reason = "named by some tests")]
pub(crate) use state::{Container, Event, Exec, Image, Network, Recorded, State, Stream, Volume};

/// Limit for waits without a given timeout.
const PATIENCE: Duration = Duration::from_secs(10);

/// The engine; stopped and removed on drop.
pub(crate) struct FakeEngine {
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    socket: PathBuf,
    dir: TempDir,
}

impl FakeEngine {
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("fake").tempdir().expect("temporary directory");
        let socket = dir.path().join("docker.sock");
        let shared = Arc::new(Shared::default());
        shared.update(nets::predefined);
        let server = Mutex::new(Some(Server::start(shared.clone(), &socket)));
        Self { shared, server, socket, dir }
    }

    /// Returns a directory for the locks of its users, removed with it.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Returns its address, `unix:///…`.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Closes every connection and refuses new ones; its state stays.
    pub(crate) fn go_down(&self) {
        drop(self.server.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Serves again on the same socket.
    pub(crate) fn come_back(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        drop(server.take());
        *server = Some(Server::start(self.shared.clone(), &self.socket));
    }

    // Its content and behavior.

    pub(crate) fn add_image(&self, name: &str) {
        self.add_image_with(name, &json!({}));
    }

    /// Adds an image with this `Config` (Env, ExposedPorts, Healthcheck, Volumes, Labels …).
    pub(crate) fn add_image_with(&self, name: &str, config: &Value) {
        self.shared.update(|s| s.add_image(name, config));
    }

    pub(crate) fn set_pullable(&self, name: &str, script: PullScript) {
        self.shared.update(|s| s.pulls.insert(canonical(name), script));
    }

    /// Sets the API version, `1.41` by default, on which several endpoints at create and duplicate
    /// network names depend.
    pub(crate) fn set_api_version(&self, version: &str) {
        self.shared.update(|s| s.api_version = Some(version.to_owned()));
    }

    /// Serves BuildKit on the socket itself, as from API 1.53 on.
    #[cfg(feature = "buildkit")]
    pub(crate) fn speak_grpc(&self) {
        self.shared.update(|s| s.grpc = Some(grpc::Sessions::default()));
    }

    /// Overrides fields of `/info`.
    pub(crate) fn set_info(&self, fields: &Value) {
        self.shared.update(|s| s.info.extend(fields.as_object().cloned().unwrap_or_default()));
    }

    /// Binds a container port ("6379/tcp") to this host port whenever a free one is requested.
    pub(crate) fn publish(&self, port: &str, host_port: u16) {
        self.shared.update(|s| s.published.insert(port.to_owned(), host_port));
    }

    /// Hides port bindings in the first `n` inspects after each start.
    pub(crate) fn hide_ports(&self, n: usize) {
        self.shared.update(|s| s.hide_ports = n);
    }

    /// Cuts streamed bytes into pieces of `n`, each an HTTP chunk of its own.
    pub(crate) fn split_streams(&self, n: usize) {
        self.shared.update(|s| s.piece = Some(n));
    }

    /// Answers logs as `application/vnd.docker.multiplexed-stream`, like newer engines.
    pub(crate) fn multiplexed_logs(&self) {
        self.shared.update(|s| s.multiplexed = true);
    }

    /// Counts the bytes of request bodies longer than this, without keeping them.
    pub(crate) fn discard_bodies_over(&self, bytes: u64) {
        self.shared.update(|s| s.keep_body = Some(bytes));
    }

    /// Adds a rule for requests of this method and path; `*` matches anything in both.
    pub(crate) fn on(&self, method: &str, path: &str) -> On<'_> {
        On::new(&self.shared, method, path)
    }

    pub(crate) fn clear_rules(&self) {
        self.shared.update(|s| s.rules.clear());
    }

    /// Sets the behavior of commands whose words, joined by spaces, match (`*` matches anything).
    /// Commands without a script end with 126, like a program that does not exist.
    pub(crate) fn on_exec(&self, command: &str, script: ExecScript) {
        self.shared.update(|s| s.exec_scripts.push((command.to_owned(), script)));
    }

    /// Adds a hook that is called on the engine's thread after each start, before its answer.
    pub(crate) fn on_start(&self, hook: impl Fn(&FakeContainer) + Send + Sync + 'static) {
        self.shared.update(|s| s.start_hooks.push(Arc::new(hook)));
    }

    pub(crate) fn exit_on_start(&self, code: i64) {
        self.on_start(move |container| container.exit(code, false));
    }

    /// Makes every container print this on stdout when it starts.
    pub(crate) fn log_on_start(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref().to_vec();
        self.on_start(move |container| container.log(Stream::Stdout, &bytes));
    }

    // Its record and its resources.

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.read(|s| s.requests.clone())
    }

    pub(crate) fn clear_requests(&self) {
        self.shared.update(|s| s.requests.clear());
    }

    /// Returns the requests in the form `POST /containers/{id}/start`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.read(|s| s.requests.iter().map(|r| call(r)).collect())
    }

    /// Returns the number of matching requests; `*` in the path matches anything.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.read(|s| s.count(method, path))
    }

    pub(crate) fn containers(&self) -> Vec<Container> {
        self.read(|s| s.containers.clone())
    }

    /// Returns the networks, without bridge, host and none.
    pub(crate) fn networks(&self) -> Vec<Network> {
        self.read(|s| s.networks.iter().filter(|n| !n.predefined).cloned().collect())
    }

    pub(crate) fn volumes(&self) -> Vec<Volume> {
        self.read(|s| s.volumes.clone())
    }

    pub(crate) fn images(&self) -> Vec<Image> {
        self.read(|s| s.images.clone())
    }

    pub(crate) fn execs(&self) -> Vec<Exec> {
        self.read(|s| s.execs.clone())
    }

    /// Returns the number of connections that clients hold open.
    pub(crate) fn connections(&self) -> usize {
        self.read(|s| s.connections)
    }

    /// Reads the state atomically.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        self.shared.read(read)
    }

    /// Returns the names of everything that a user of the engine left behind, except images.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let containers = self.containers().into_iter().map(|c| format!("container {}", c.name));
        let networks = self.networks().into_iter().map(|n| format!("network {}", n.name));
        let volumes = self.volumes().into_iter().map(|v| format!("volume {}", v.name));
        containers.chain(networks).chain(volumes).collect()
    }

    /// Returns a handle to a container, by name or id; panics if there is none.
    #[track_caller]
    pub(crate) fn container(&self, name: &str) -> FakeContainer {
        let id = self.read(|s| s.container(name).map(|c| c.id.clone()));
        let id = id.unwrap_or_else(|| panic!("no container {name}\n{}", self.report()));
        FakeContainer::new(self.shared.clone(), id)
    }

    /// Returns a handle to the only container; panics if there is not exactly one.
    #[track_caller]
    pub(crate) fn only_container(&self) -> FakeContainer {
        let ids = self.read(|s| s.containers.iter().map(|c| c.id.clone()).collect::<Vec<_>>());
        let [id] = &ids[..] else { panic!("{} containers\n{}", ids.len(), self.report()) };
        FakeContainer::new(self.shared.clone(), id.clone())
    }

    /// Blocks the thread until the condition holds; panics after `timeout`.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: impl Fn(&State) -> bool, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        while !condition(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                panic!("the condition did not hold within {timeout:?}\n{}", self.report());
            }
            state = match self.shared.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Waits until the condition holds; panics after ten seconds.
    pub(crate) async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut version = self.shared.version.subscribe();
        let wait = async {
            loop {
                version.borrow_and_update();
                if self.read(&condition) {
                    return;
                }
                let _ = version.changed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("the condition did not hold within {PATIENCE:?}\n{}", self.report());
        }
    }

    fn report(&self) -> String {
        let mut report = String::from("requests:\n");
        for request in self.requests() {
            let status = request.status.map_or("-".to_owned(), |s| s.to_string());
            report.push_str(&format!("  {status:>3} {request}\n"));
        }
        for container in self.containers() {
            report.push_str(&format!("container {}: {}\n", container.name, container.state));
        }
        report
    }
}

impl fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeEngine at {}\n{}", self.endpoint(), self.report())
    }
}

/// Returns a request without the parts that differ between runs.
fn call(request: &Request) -> String {
    let mut parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let verbs: &[&str] = match parts[0] {
        "containers" | "networks" | "volumes" => &["create", "json", "prune"],
        "images" => &["create", "json", "prune", "load", "get", "search"],
        "exec" => &[],
        _ => return format!("{} {}", request.method, request.path),
    };
    if parts[0] == "images" && parts.len() > 2 {
        let last = parts[parts.len() - 1];
        parts.truncate(1);
        parts.push("{id}");
        if matches!(last, "json" | "push" | "tag" | "history" | "get") {
            parts.push(last);
        }
    } else if parts.len() > 2 || parts.get(1).is_some_and(|p| !verbs.contains(p)) {
        parts[1] = "{id}";
    }
    format!("{} /{}", request.method, parts.join("/"))
}

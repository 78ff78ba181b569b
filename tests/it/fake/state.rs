//! The state of the fake engine: its resources, its event log, and the lock around them.
//!
//! Long because it is one unit: everything behind the one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::FakeContainer;
use super::http::Request;
use super::script::{ExecScript, Plan, PullScript, Rule};
use super::values::{Labels, canonical, labels, merge};

pub(super) type Hook = Arc<dyn Fn(&FakeContainer) + Send + Sync>;

/// The state behind its lock, with notifications of changes.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) version: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the state and wakes everything that waits for a change.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.version.send_modify(|version| *version += 1);
        self.changed.notify_all();
        result
    }
}

/// The standard output or the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout = 1,
    Stderr = 2,
}

/// A request with its place in the record and the status of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) seq: usize,
    /// The status; `None` while unanswered, and for answers that were cut or raw.
    pub(crate) status: Option<u16>,
    pub(crate) request: Arc<Request>,
}

impl Deref for Recorded {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// One frame, sent this many times.
    Frame { stream: Stream, bytes: Arc<Vec<u8>>, times: u64 },
    /// Bytes that are sent unchanged.
    Raw(Arc<Vec<u8>>),
}

#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    pub(super) time: i64,
    pub(super) entry: Entry,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) log_len: usize,
    pub(super) code: i64,
}

/// A network that a container is, or will be, attached to.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) network: String,
    pub(crate) config: Value,
    pub(crate) ip: String,
}

/// A volume that a container uses.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub(crate) volume: String,
    pub(crate) target: String,
    pub(crate) anonymous: bool,
}

/// A container. `state` is one of created, running, paused and exited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: Labels,
    pub(crate) state: String,
    pub(crate) exit_code: i64,
    pub(crate) oom: bool,
    pub(crate) health: Option<String>,
    /// The body of its create call.
    pub(crate) spec: Value,
    pub(crate) platform: String,
    pub(crate) networks: Vec<Attachment>,
    pub(crate) volumes: Vec<Mounted>,
    /// The published addresses of each port, such as `6379/tcp`.
    pub(crate) ports: BTreeMap<String, Vec<(String, u16)>>,
    /// The input that arrived by attach.
    pub(crate) stdin: Vec<u8>,
    /// The archives put into it, by path.
    pub(crate) archives: Vec<(String, Arc<Vec<u8>>)>,
    pub(crate) image_id: String,
    pub(super) config: Value,
    pub(super) host: Value,
    pub(super) created: i64,
    pub(super) started: i64,
    pub(super) finished: i64,
    pub(super) health_output: String,
    pub(super) log: Vec<LogEntry>,
    pub(super) exits: Vec<Exit>,
    pub(super) hidden_ports: usize,
}

impl Container {
    pub(crate) fn is_running(&self) -> bool {
        self.state == "running" || self.state == "paused"
    }

    pub(super) fn tty(&self) -> bool {
        self.config["Tty"].as_bool().unwrap_or(false)
    }

    pub(super) fn named(&self, name: &str) -> bool {
        let name = name.strip_prefix('/').unwrap_or(name);
        self.name == name || self.id == name || (name.len() >= 12 && self.id.starts_with(name))
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) labels: Labels,
    /// The body of its create call.
    pub(crate) spec: Value,
    pub(super) created: i64,
    pub(super) predefined: bool,
    pub(super) subnet: String,
    pub(super) prefix: String,
    pub(super) next_ip: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    /// The body of its create call.
    pub(crate) spec: Value,
    pub(super) created: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) labels: Labels,
    pub(super) config: Value,
    pub(super) created: i64,
}

/// A command run in a container.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) container: String,
    pub(crate) command: Vec<String>,
    /// The body of its create call.
    pub(crate) spec: Value,
    pub(crate) stdin: Vec<u8>,
    pub(crate) running: bool,
    pub(crate) code: Option<i64>,
    pub(super) script: ExecScript,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) time: i64,
    pub(crate) kind: String,
    pub(crate) action: String,
    pub(crate) id: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The whole state of the engine, which conditions given to `wait_until` inspect.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) containers: Vec<Container>,
    pub(crate) networks: Vec<Network>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) images: Vec<Image>,
    pub(crate) execs: Vec<Exec>,
    pub(crate) events: Vec<Event>,
    pub(crate) requests: Vec<Recorded>,
    /// The removed containers.
    pub(crate) removed: Vec<Container>,
    /// The number of open client connections.
    pub(crate) connections: usize,
    /// The number of streams (logs, events, attach) that clients are following.
    pub(crate) followers: usize,
    pub(super) rules: Vec<Rule>,
    pub(super) pulls: BTreeMap<String, PullScript>,
    pub(super) exec_scripts: Vec<(String, ExecScript)>,
    pub(super) start_hooks: Vec<Hook>,
    pub(super) published: BTreeMap<String, u16>,
    pub(super) hide_ports: usize,
    pub(super) api_version: Option<String>,
    #[cfg(feature = "buildkit")]
    pub(super) grpc: Option<super::grpc::Sessions>,
    pub(super) info: Map<String, Value>,
    pub(super) piece: Option<usize>,
    pub(super) keep_body: Option<u64>,
    pub(super) multiplexed: bool,
    counter: u64,
    served: usize,
    clock: i64,
    next_port: u16,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    /// Returns a container by name or id.
    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.named(name))
    }

    pub(crate) fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|n| n.id == name || n.name == name)
    }

    pub(crate) fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|v| v.name == name)
    }

    /// Returns the number of matching requests in the record; `*` in the path matches anything.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let fits = |r: &&Recorded| r.method == method && super::script::glob(path, &r.path);
        self.requests.iter().filter(fits).count()
    }

    pub(super) fn container_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|c| c.named(name))
    }

    /// Returns a container, and whether it was removed.
    pub(super) fn dead_or_alive(&self, id: &str) -> Option<(&Container, bool)> {
        let alive = self.containers.iter().find(|c| c.id == id).map(|c| (c, false));
        alive.or_else(|| self.removed.iter().find(|c| c.id == id).map(|c| (c, true)))
    }

    /// Returns a time in nanoseconds, later than every one before.
    pub(super) fn now(&mut self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        self.clock = i64::try_from(now).unwrap_or(i64::MAX).max(self.clock + 1);
        self.clock
    }

    /// Returns 64 new hexadecimal digits.
    pub(super) fn new_id(&mut self) -> String {
        self.counter += 1;
        let mut seed = self.counter;
        let mut id = String::new();
        for _ in 0..4 {
            seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ 0xD1B5_4A32_D192_ED03;
            id.push_str(&format!("{seed:016x}"));
        }
        id
    }

    pub(super) fn new_port(&mut self) -> u16 {
        self.next_port = if self.next_port == 0 { 49153 } else { self.next_port + 1 };
        self.next_port
    }

    pub(super) fn api_version(&self) -> &str {
        self.api_version.as_deref().unwrap_or("1.41")
    }

    /// Returns whether the API version is this one or later.
    pub(super) fn api_at_least(&self, minor: u32) -> bool {
        let ours = self.api_version().split_once('.').and_then(|(_, m)| m.parse().ok());
        ours.unwrap_or(41) >= minor
    }

    pub(super) fn record(&mut self, request: Request) -> (Recorded, Option<Plan>) {
        let plan = self.rules.iter_mut().find_map(|rule| rule.take(&request));
        let seq = self.served;
        self.served += 1;
        let recorded = Recorded { seq, status: None, request: Arc::new(request) };
        self.requests.push(recorded.clone());
        (recorded, plan)
    }

    pub(super) fn emit(&mut self, kind: &str, action: &str, id: &str, attributes: Labels) {
        let time = self.now();
        let (kind, action, id) = (kind.to_owned(), action.to_owned(), id.to_owned());
        self.events.push(Event { time, kind, action, id, attributes });
    }

    pub(super) fn emit_container(&mut self, id: &str, action: &str, extra: &[(&str, String)]) {
        let Some(container) = self.container(id) else { return };
        let mut attributes = container.labels.clone();
        attributes.insert("image".into(), container.image.clone());
        attributes.insert("name".into(), container.name.clone());
        attributes.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        self.emit("container", action, id, attributes);
    }

    /// Ends the container's process.
    pub(super) fn exit(&mut self, id: &str, code: i64, oom: bool) {
        let now = self.now();
        let Some(c) = self.container_mut(id).filter(|c| c.is_running()) else { return };
        c.state = "exited".into();
        c.exit_code = code;
        c.oom = oom;
        c.finished = now;
        c.ports.clear();
        c.exits.push(Exit { log_len: c.log.len(), code });
        let auto_remove = c.host["AutoRemove"].as_bool().unwrap_or(false);
        if oom {
            self.emit_container(id, "oom", &[]);
        }
        self.emit_container(id, "die", &[("exitCode", code.to_string())]);
        for exec in self.execs.iter_mut().filter(|e| e.container == id && e.running) {
            exec.running = false;
            exec.code = Some(137);
        }
        if auto_remove {
            self.remove(id, true);
        }
    }

    /// Removes the container, with its anonymous volumes on request.
    pub(super) fn remove(&mut self, id: &str, volumes: bool) {
        self.emit_container(id, "destroy", &[]);
        let Some(at) = self.containers.iter().position(|c| c.id == id) else { return };
        let container = self.containers.remove(at);
        if volumes {
            let anonymous =
                |v: &Volume| container.volumes.iter().any(|m| m.anonymous && m.volume == v.name);
            self.volumes.retain(|v| !anonymous(v));
        }
        self.removed.push(container);
    }

    pub(super) fn log(&mut self, id: &str, entry: Entry) {
        let time = self.now();
        if let Some(c) = self.container_mut(id) {
            c.log.push(LogEntry { time, entry });
        }
    }

    pub(super) fn health(&mut self, id: &str, status: &str, output: &str) {
        if let Some(c) = self.container_mut(id) {
            c.health = Some(status.to_owned());
            output.clone_into(&mut c.health_output);
            let id = c.id.clone();
            self.emit_container(&id, &format!("health_status: {status}"), &[]);
        }
    }

    /// Returns an image by any spelling of its name, or by id.
    pub(super) fn image(&self, name: &str) -> Option<&Image> {
        let canonical = canonical(name);
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = hex.len() >= 12 && hex.chars().all(|c| c.is_ascii_hexdigit());
        let fits = |image: &&Image| {
            image.tags.contains(&canonical)
                || (is_id && image.id.trim_start_matches("sha256:").starts_with(hex))
        };
        self.images.iter().find(fits)
    }

    pub(super) fn add_image(&mut self, name: &str, config: &Value) -> String {
        let tag = canonical(name);
        let created = self.now();
        let id = format!("sha256:{}", self.new_id());
        for image in &mut self.images {
            image.tags.retain(|t| *t != tag);
        }
        let mut full = json!({ "Cmd": ["serve"], "Env": ["PATH=/usr/bin:/bin"] });
        merge(&mut full, config);
        let labels = labels(&full["Labels"]);
        let tags = vec![tag];
        self.images.push(Image { id: id.clone(), tags, labels, config: full, created });
        id
    }
}

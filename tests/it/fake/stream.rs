//! Streamed answers: logs, attach, events, wait, exec, and lines of progress.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::containers::find;
use super::http::{Connection, Fault, Request, fault};
use super::state::{Entry, Event, LogEntry, Shared, State, Stream};
use super::values::rfc3339;

const RAW: &str = "application/vnd.docker.raw-stream";
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// A streamed answer, positioned at the time of its request.
#[derive(Debug)]
pub(super) enum Feed {
    Logs(LogFeed),
    Events(EventFeed),
    Wait(WaitFeed),
    Exec { id: String },
    Lines { lines: Vec<Value>, image: Option<(String, Value)>, hang: bool },
}

#[derive(Debug)]
pub(super) struct LogFeed {
    id: String,
    next: usize,
    /// The number of earlier exits of the container.
    exits: usize,
    follow: bool,
    attach: bool,
    stdout: bool,
    stderr: bool,
    timestamps: bool,
    since: i64,
    until: i64,
    tty: bool,
}

#[derive(Debug)]
pub(super) struct EventFeed {
    next: usize,
    follow: bool,
    since: i64,
    filters: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
pub(super) struct WaitFeed {
    id: String,
    exits: usize,
    removed: bool,
    at_once: bool,
}

impl Feed {
    pub(super) fn logs(state: &State, request: &Request, id: &str) -> Result<Self, Fault> {
        let id = find(state, id)?;
        let (stdout, stderr) = (request.flag("stdout"), request.flag("stderr"));
        if !stdout && !stderr {
            return Err(fault(400, "Bad parameters: you must choose at least one stream"));
        }
        let missing = || fault(404, "No such container");
        let c = state.container(&id).ok_or_else(missing)?;
        let tail = request.get("tail").parse::<usize>().unwrap_or(usize::MAX);
        Ok(Self::Logs(LogFeed {
            next: c.log.len().saturating_sub(tail),
            exits: c.exits.len(),
            // A container that does not run can't be followed, not even a created one.
            follow: request.flag("follow") && c.is_running(),
            attach: false,
            stdout,
            stderr,
            timestamps: request.flag("timestamps"),
            since: nanos(request.get("since")),
            until: nanos(request.get("until")),
            tty: c.tty(),
            id,
        }))
    }

    pub(super) fn attach(state: &State, request: &Request, id: &str) -> Result<Self, Fault> {
        let id = find(state, id)?;
        let missing = || fault(404, "No such container");
        let c = state.container(&id).ok_or_else(missing)?;
        let next = if request.flag("logs") { 0 } else { c.log.len() };
        let (follow, exits, tty) = (request.flag("stream"), c.exits.len(), c.tty());
        let (stdout, stderr) = (request.flag("stdout"), request.flag("stderr"));
        let (attach, timestamps, since, until) = (true, false, 0, 0);
        Ok(Self::Logs(LogFeed {
            id,
            next,
            exits,
            follow,
            attach,
            stdout,
            stderr,
            timestamps,
            since,
            until,
            tty,
        }))
    }

    pub(super) fn wait(state: &State, request: &Request, id: &str) -> Result<Self, Fault> {
        let id = find(state, id)?;
        let missing = || fault(404, "No such container");
        let c = state.container(&id).ok_or_else(missing)?;
        let condition = request.get("condition");
        if !matches!(condition, "" | "not-running" | "next-exit" | "removed") {
            return Err(fault(400, format!("invalid condition: {condition:?}")));
        }
        let at_once = matches!(condition, "" | "not-running") && !c.is_running();
        let (exits, removed) = (c.exits.len(), condition == "removed");
        Ok(Self::Wait(WaitFeed { id, exits, removed, at_once }))
    }

    pub(super) fn events(state: &State, request: &Request) -> Result<Self, Fault> {
        let since = nanos(request.get("since"));
        let next = if since == 0 { state.events.len() } else { 0 };
        let follow = request.get("until").is_empty();
        let filters = request.filters()?;
        Ok(Self::Events(EventFeed { next, follow, since, filters }))
    }

    /// Returns the status that this answer begins with.
    pub(super) fn status(&self, request: &Request) -> u16 {
        let hijacks = match self {
            Self::Exec { .. } => true,
            Self::Logs(feed) => feed.attach,
            _ => false,
        };
        if hijacks && request.wants_upgrade() { 101 } else { 200 }
    }

    pub(super) async fn run(
        self,
        shared: &Arc<Shared>,
        request: &Request,
        connection: &mut Connection,
    ) -> io::Result<()> {
        match self {
            Self::Logs(feed) => feed.run(shared, request, connection).await,
            Self::Events(feed) => feed.run(shared, request, connection).await,
            Self::Wait(feed) => feed.run(shared, request, connection).await,
            Self::Exec { id } => super::exec::run(shared, request, connection, &id).await,
            Self::Lines { lines, image, hang } => {
                connection.open(request, "application/json").await?;
                for line in lines {
                    connection.send(format!("{line}\r\n").as_bytes()).await?;
                }
                if hang {
                    connection.gone().await;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                if let Some((name, config)) = image {
                    shared.update(|s| s.add_image(&name, &config));
                }
                connection.end().await
            }
        }
    }
}

/// A guard that counts a stream that a client follows.
struct Follower(Arc<Shared>);

impl Follower {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.update(|state| state.followers += 1);
        Self(shared.clone())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.update(|state| state.followers -= 1);
    }
}

impl LogFeed {
    async fn run(
        mut self,
        shared: &Arc<Shared>,
        request: &Request,
        connection: &mut Connection,
    ) -> io::Result<()> {
        if self.attach {
            connection.hijack(request).await?;
        } else {
            let multiplexed = !self.tty && shared.read(|s| s.multiplexed);
            connection.open(request, if multiplexed { MULTIPLEXED } else { RAW }).await?;
        }
        let _follower = self.follow.then(|| Follower::new(shared));
        let mut version = shared.version.subscribe();
        let mut input_open = true;
        loop {
            version.borrow_and_update();
            let (entries, done) = shared.read(|state| self.batch(state));
            for entry in entries {
                self.send(connection, &entry).await?;
            }
            if done {
                return connection.end().await;
            }
            tokio::select! {
                _ = version.changed() => {}
                input = connection.input(), if input_open => match input {
                    // Only a client with a stdin to end may end it and continue to listen.
                    None if self.attach && request.flag("stdin") => input_open = false,
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                    Some(bytes) => shared.update(|s| {
                        if let Some(c) = s.container_mut(&self.id) {
                            c.stdin.extend(bytes);
                        }
                    }),
                }
            }
        }
    }

    fn batch(&mut self, state: &State) -> (Vec<LogEntry>, bool) {
        let Some((c, dead)) = state.dead_or_alive(&self.id) else { return (Vec::new(), true) };
        let exit = c.exits.get(self.exits).map(|exit| exit.log_len);
        let end = exit.unwrap_or(c.log.len()).max(self.next);
        let wanted = |e: &&LogEntry| {
            let stream = match &e.entry {
                Entry::Frame { stream, .. } => *stream,
                Entry::Raw(_) => return true,
            };
            let chosen = if stream == Stream::Stdout { self.stdout } else { self.stderr };
            chosen && e.time >= self.since && (self.until == 0 || e.time <= self.until)
        };
        let entries = c.log[self.next..end].iter().filter(wanted).cloned().collect();
        self.next = end;
        (entries, !self.follow || exit.is_some() || dead)
    }

    async fn send(&self, connection: &mut Connection, entry: &LogEntry) -> io::Result<()> {
        let (stream, bytes, times) = match &entry.entry {
            Entry::Raw(bytes) => return connection.send(bytes).await,
            Entry::Frame { stream, bytes, times } => (*stream, bytes, *times),
        };
        let mut text = Vec::new();
        if self.timestamps {
            text.extend_from_slice(format!("{} ", rfc3339(entry.time)).as_bytes());
        }
        text.extend_from_slice(bytes);
        let frame = if self.tty { text } else { framed(stream, &text) };
        let per_batch = (64 * 1024 / frame.len().max(1)).max(1) as u64;
        let batch = frame.repeat(usize::try_from(per_batch.min(times)).unwrap_or(1));
        for _ in 0..times / per_batch {
            connection.send(&batch).await?;
        }
        for _ in 0..times % per_batch {
            connection.send(&frame).await?;
        }
        Ok(())
    }
}

/// Returns bytes with the 8-byte header of a multiplexed stream.
pub(super) fn framed(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = vec![stream as u8, 0, 0, 0];
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

impl EventFeed {
    async fn run(
        mut self,
        shared: &Arc<Shared>,
        request: &Request,
        connection: &mut Connection,
    ) -> io::Result<()> {
        connection.open(request, "application/json").await?;
        let _follower = self.follow.then(|| Follower::new(shared));
        let mut version = shared.version.subscribe();
        loop {
            version.borrow_and_update();
            let events = shared.read(|state| {
                let new = state.events[self.next..].iter().filter(|e| self.wants(e));
                let new: Vec<_> = new.map(event_json).collect();
                self.next = state.events.len();
                new
            });
            for event in events {
                connection.send(format!("{event}\n").as_bytes()).await?;
            }
            if !self.follow {
                return connection.end().await;
            }
            tokio::select! {
                _ = version.changed() => {}
                () = connection.gone() => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let any = |key: &str, test: &dyn Fn(&str) -> bool| {
            self.filters.get(key).is_none_or(|wanted| wanted.iter().any(|w| test(w)))
        };
        let attribute = |key: &str| event.attributes.get(key).map_or("", String::as_str);
        let actor = |kind: &str, w: &str| {
            let id = event.id == w || (w.len() >= 12 && event.id.starts_with(w));
            event.kind == kind && (id || attribute("name") == w)
        };
        let action = event.action.split(':').next().unwrap_or("");
        event.time >= self.since
            && any("type", &|w| event.kind == w)
            && any("event", &|w| event.action == w || action == w)
            && any("container", &|w| actor("container", w))
            && any("network", &|w| actor("network", w))
            && any("volume", &|w| actor("volume", w))
            && any("image", &|w| attribute("image") == w)
            && super::values::labels_match(&event.attributes, self.filters.get("label"))
    }
}

fn event_json(event: &Event) -> Value {
    let mut json = json!({
        "Type": event.kind, "Action": event.action, "scope": "local",
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "time": event.time / 1_000_000_000, "timeNano": event.time,
    });
    if event.kind == "container" {
        json["status"] = json!(event.action);
        json["id"] = json!(event.id);
        json["from"] = json!(event.attributes.get("image"));
    }
    json
}

impl WaitFeed {
    async fn run(
        self,
        shared: &Arc<Shared>,
        request: &Request,
        connection: &mut Connection,
    ) -> io::Result<()> {
        connection.open(request, "application/json").await?;
        let mut version = shared.version.subscribe();
        let code = loop {
            version.borrow_and_update();
            if let Some(code) = shared.read(|state| self.code(state)) {
                break code;
            }
            tokio::select! {
                _ = version.changed() => {}
                () = connection.gone() => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        let answer = json!({ "Error": null, "StatusCode": code });
        connection.send(format!("{answer}\n").as_bytes()).await?;
        connection.end().await
    }

    fn code(&self, state: &State) -> Option<i64> {
        let (c, dead) = state.dead_or_alive(&self.id)?;
        let exit = c.exits.get(self.exits).map(|exit| exit.code);
        match exit {
            Some(code) if !self.removed || dead => Some(code),
            _ if dead || self.at_once => Some(c.exit_code),
            _ => None,
        }
    }
}

/// Converts `1700000000.25` to nanoseconds.
fn nanos(text: &str) -> i64 {
    let (secs, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<9}");
    let secs: i64 = secs.parse().unwrap_or(0);
    secs * 1_000_000_000 + digits.get(..9).and_then(|d| d.parse::<i64>().ok()).unwrap_or(0)
}

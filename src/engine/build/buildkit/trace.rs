//! Conversion of BuildKit's status messages to events.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use super::super::super::LogStream;
use super::super::{BuildEvent, BuildStep, OnEvent};

/// Limit for the lines of a failed step's output in its error.
const TAIL: usize = 20;

/// The steps of a build and their last output, for the error that it may end with.
pub(super) struct Trace {
    on_event: OnEvent,
    steps: HashMap<String, BuildStep>,
    tails: HashMap<String, Tail>,
}

#[derive(Default)]
struct Tail {
    lines: std::collections::VecDeque<String>,
    open: String,
}

impl Trace {
    pub(super) fn new(on_event: OnEvent) -> Trace {
        Trace { on_event, steps: HashMap::new(), tails: HashMap::new() }
    }

    pub(super) fn status(&mut self, status: StatusResponse) {
        for vertex in status.vertexes {
            self.vertex(vertex);
        }
        for part in status.statuses {
            (self.on_event)(BuildEvent::Progress {
                step: part.vertex,
                part: if part.name.is_empty() { part.id } else { part.name },
                current: u64::try_from(part.current).unwrap_or_default(),
                total: u64::try_from(part.total).ok().filter(|total| *total > 0),
            });
        }
        for log in status.logs {
            let text = String::from_utf8_lossy(&log.msg).into_owned();
            let stream = if log.stream == 2 { LogStream::Stderr } else { LogStream::Stdout };
            self.tails.entry(log.vertex.clone()).or_default().push(&text);
            (self.on_event)(BuildEvent::Log { step: log.vertex, stream, text });
        }
        for warning in status.warnings {
            let message = String::from_utf8_lossy(&warning.short).into_owned();
            let url = Some(warning.url).filter(|url| !url.is_empty());
            (self.on_event)(BuildEvent::Warning { step: warning.vertex, message, url });
        }
    }

    fn vertex(&mut self, vertex: Vertex) {
        let mut step = BuildStep {
            id: vertex.digest,
            name: vertex.name,
            inputs: vertex.inputs,
            started: time(vertex.started),
            completed: time(vertex.completed),
            cached: vertex.cached,
            error: Some(vertex.error).filter(|error| !error.is_empty()),
        };
        // A step whose result is fetched from a cache only when it is needed comes twice, the
        // second time without its earlier state.
        if let Some(before) = self.steps.get(&step.id) {
            step.cached |= before.cached;
            if step.inputs.is_empty() {
                step.inputs.clone_from(&before.inputs);
            }
        }
        self.steps.insert(step.id.clone(), step.clone());
        (self.on_event)(BuildEvent::Step(step));
    }

    /// Returns the failed step, in preference to those that were only cancelled because of it.
    pub(super) fn failed(&self) -> Option<(&BuildStep, Vec<String>)> {
        let failed = self.steps.values().filter(|step| step.error.is_some());
        let cancelled = |step: &&BuildStep| {
            step.error.as_deref().is_some_and(|error| error.contains("context canceled"))
        };
        let step = failed.min_by_key(|step| (cancelled(step), step.completed))?;
        let lines = self.tails.get(&step.id).map(Tail::lines).unwrap_or_default();
        Some((step, lines))
    }
}

impl Tail {
    fn push(&mut self, text: &str) {
        self.open.push_str(text);
        while let Some(end) = self.open.find('\n') {
            let rest = self.open.split_off(end + 1);
            let line = std::mem::replace(&mut self.open, rest);
            self.keep(line.trim_end().to_owned());
        }
        // A line without an end is not kept in full.
        if self.open.len() > 64 * 1024 {
            let line: String = std::mem::take(&mut self.open).chars().take(1000).collect();
            self.keep(line);
        }
    }

    fn keep(&mut self, line: String) {
        if self.lines.len() == TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn lines(&self) -> Vec<String> {
        let open = Some(self.open.trim_end().to_owned()).filter(|line| !line.is_empty());
        self.lines.iter().cloned().chain(open).collect()
    }
}

fn time(stamp: Option<Timestamp>) -> Option<SystemTime> {
    let stamp = stamp?;
    let seconds = Duration::from_secs(u64::try_from(stamp.seconds).ok()?);
    let nanos = Duration::from_nanos(u64::try_from(stamp.nanos).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(seconds)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_step_of_a_cache_stays_one_when_its_result_is_fetched() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = told.clone();
        let mut trace = Trace::new(Arc::new(move |event| all.lock().unwrap().push(event)));
        let vertex = |cached, inputs: &[&str]| Vertex {
            digest: "step".to_owned(),
            cached,
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            ..Vertex::default()
        };
        let vertexes = vec![vertex(true, &["base"]), vertex(false, &[])];
        trace.status(StatusResponse { vertexes, ..StatusResponse::default() });
        let told = told.lock().unwrap();
        let [BuildEvent::Step(one), BuildEvent::Step(other)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((one, one.cached, one.inputs.len()), (other, true, 1));
    }
}

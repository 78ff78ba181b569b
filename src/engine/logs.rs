//! Log streams: typed frames, on request of the current run only.

use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::failure::{lift, refusal};
use super::frames::{Frames, LogFrame, Seen};
use super::{ApiVersion, Client, EngineKind};
use crate::error::{Error, Result};

/// Limit for a container to count as ended after its log has.
const ENDED_LIMIT: Duration = Duration::from_secs(2);

/// A stream of frames that ends with the output.
pub(crate) type FrameStream = Pin<Box<dyn Stream<Item = Result<LogFrame, Error>> + Send>>;

/// The part of a log to read.
#[derive(Clone, Debug)]
pub(crate) struct LogRequest {
    pub(crate) follow: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) timestamps: bool,
    /// The earliest time, in seconds and nanoseconds since 1970.
    pub(crate) since: Option<(i64, u32)>,
    /// The latest time.
    pub(crate) until: Option<(i64, u32)>,
    /// Limit for the number of last lines.
    pub(crate) tail: Option<u64>,
    /// Whether the container has a terminal, whose output comes without frames.
    pub(crate) tty: bool,
}

impl LogRequest {
    /// Requests all of both streams.
    pub(crate) fn all(tty: bool) -> Self {
        LogRequest {
            follow: false,
            stdout: true,
            stderr: true,
            timestamps: false,
            since: None,
            until: None,
            tail: None,
            tty,
        }
    }

    pub(crate) fn follow(tty: bool) -> Self {
        LogRequest { follow: true, ..Self::all(tty) }
    }
}

impl LogRequest {
    fn path(&self, id: &str) -> String {
        let LogRequest { follow, stdout, stderr, timestamps, since, until, tail, tty: _ } = self;
        let mut path = format!(
            "/containers/{id}/logs?follow={follow}&stdout={stdout}&stderr={stderr}\
             &timestamps={timestamps}"
        );
        if let Some((seconds, nanos)) = since {
            // The fraction matters: a quick restart takes less than a second.
            path.push_str(&format!("&since={seconds}.{nanos:09}"));
        }
        if let Some((seconds, nanos)) = until {
            path.push_str(&format!("&until={seconds}.{nanos:09}"));
        }
        if let Some(lines) = tail {
            path.push_str(&format!("&tail={lines}"));
        }
        path
    }
}

impl Client {
    /// Reads a container's log. A followed log ends with the container, and is complete then.
    pub(crate) fn container_logs(&self, id: &str, request: &LogRequest) -> FrameStream {
        let log = self.log_as_it_is(id, request);
        // The last lines, which `tail` selects, change when there are more.
        if !request.follow || request.tail.is_some() || !self.cuts_logs() {
            return log;
        }
        let (engine, id) = (self.clone(), id.to_owned());
        let again = LogRequest { follow: false, ..request.clone() };
        Box::pin(stream::unfold(Stage::Following(log, Seen::default()), move |stage| {
            stage.next(engine.clone(), id.clone(), again.clone())
        }))
    }

    /// Returns whether the engine may cut a followed log when the container ends: Docker before 23
    /// does, as its reader of the file learns of the end too early, and so does Podman.
    fn cuts_logs(&self) -> bool {
        self.kind() == EngineKind::Podman || self.api_version() < ApiVersion::new(1, 42)
    }

    pub(super) fn log_as_it_is(&self, id: &str, request: &LogRequest) -> FrameStream {
        let (dialer, path, tty) = (self.dialer().clone(), request.path(id), request.tty);
        let opened = async move {
            let (status, mut chunks) = dialer.stream(&path).await.map_err(lift("read the log"))?;
            if status.is_success() {
                return Ok(Frames::new("read the log", tty, chunks));
            }
            let mut text = Vec::new();
            while let Some(Ok(chunk)) = chunks.next().await {
                text.extend_from_slice(&chunk);
            }
            Err(refusal("read the log", status.as_u16(), &text))
        };
        Box::pin(stream::once(opened).try_flatten())
    }
}

/// The progress of a followed log, which is read again after its end for the rest.
enum Stage {
    Following(FrameStream, Seen),
    Rest(FrameStream, Seen),
    Ended,
}

impl Stage {
    async fn next(
        mut self,
        engine: Client,
        id: String,
        again: LogRequest,
    ) -> Option<(Result<LogFrame>, Stage)> {
        loop {
            self = match self {
                Stage::Following(mut log, mut seen) => match log.next().await {
                    Some(Ok(frame)) => {
                        seen.note(&frame);
                        return Some((Ok(frame), Stage::Following(log, seen)));
                    }
                    Some(Err(error)) => return Some((Err(error), Stage::Ended)),
                    None => {
                        // The log is complete once the container counts as ended.
                        let ended = engine.wait_container(&id);
                        let _ = tokio::time::timeout(ENDED_LIMIT, ended).await;
                        Stage::Rest(engine.log_as_it_is(&id, &again), seen)
                    }
                },
                // The container may have been removed by now, which ends the log as well.
                Stage::Rest(mut log, mut seen) => {
                    let frame = log.next().await?.ok()?;
                    match seen.behind(frame) {
                        Some(frame) => return Some((Ok(frame), Stage::Rest(log, seen))),
                        None => Stage::Rest(log, seen),
                    }
                }
                Stage::Ended => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_request_has_what_was_asked_and_since_its_fraction() {
        let follow = LogRequest::follow(false).path("x");
        assert_eq!(
            follow,
            "/containers/x/logs?follow=true&stdout=true&stderr=true&timestamps=false"
        );
        let since = LogRequest {
            since: Some((12, 345)),
            until: Some((13, 6)),
            tail: Some(7),
            ..LogRequest::follow(false)
        };
        assert_eq!(
            since.path("x"),
            format!("{follow}&since=12.000000345&until=13.000000006&tail=7")
        );
    }

    #[test]
    fn what_the_engine_refuses_is_told_in_its_words() {
        let error = refusal("read the log", 404, br#"{"message":"No such container: x"}"#);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("No such container: x"), "{error}");
        assert!(refusal("read the log", 500, b"oops").to_string().contains("oops"));
    }
}

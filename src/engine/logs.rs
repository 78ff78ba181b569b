//! Log streams: typed frames, of this start only where that is asked for.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use hyper::Uri;

use super::Engine;
use super::failure::convert;
use crate::error::{Error, Result};

/// Where output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogStream {
    /// The standard output. Everything, for a container or command with a terminal.
    Stdout,
    /// The standard error.
    Stderr,
}

/// A piece of output as the engine sent it: often, but not always, one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFrame {
    /// Where it came from.
    pub stream: LogStream,
    /// What was written.
    pub bytes: Bytes,
}

impl LogFrame {
    pub(super) fn read(output: LogOutput) -> Self {
        let stream = match output {
            LogOutput::StdErr { .. } => LogStream::Stderr,
            _ => LogStream::Stdout,
        };
        LogFrame { stream, bytes: output.into_bytes() }
    }
}

#[cfg(test)]
pub(crate) fn test_frame(stream: LogStream, bytes: &[u8]) -> LogFrame {
    LogFrame { stream, bytes: Bytes::copy_from_slice(bytes) }
}

/// A stream of frames that ends with the output.
pub(crate) type FrameStream = Pin<Box<dyn Stream<Item = Result<LogFrame, Error>> + Send>>;

/// What part of the log is wanted.
#[derive(Clone, Debug)]
pub(crate) struct LogRequest {
    pub(crate) follow: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) timestamps: bool,
    /// Nothing older than this, in seconds and nanoseconds since 1970.
    pub(crate) since: Option<(i64, u32)>,
    /// At most so many last lines.
    pub(crate) tail: Option<u64>,
}

impl LogRequest {
    /// All there is of both streams.
    pub(crate) fn all() -> Self {
        LogRequest {
            follow: false,
            stdout: true,
            stderr: true,
            timestamps: false,
            since: None,
            tail: None,
        }
    }

    pub(crate) fn follow() -> Self {
        LogRequest { follow: true, ..Self::all() }
    }
}

impl Engine {
    pub(crate) fn container_logs(&self, id: &str, request: &LogRequest) -> FrameStream {
        let mut options = LogsOptionsBuilder::new()
            .follow(request.follow)
            .stdout(request.stdout)
            .stderr(request.stderr)
            .timestamps(request.timestamps);
        if let Some(lines) = request.tail {
            options = options.tail(&lines.to_string());
        }
        let mut docker = self.patient();
        if let Some((seconds, nanos)) = request.since {
            docker = docker.with_request_modifier(move |mut call| {
                if let Some(uri) = since(call.uri(), seconds, nanos) {
                    *call.uri_mut() = uri;
                }
                call
            });
        }
        let frames = docker.logs(id, Some(options.build()));
        Box::pin(
            frames.map(|frame| {
                frame.map(LogFrame::read).map_err(|error| convert("read the log", error))
            }),
        )
    }
}

/// The engine takes fractions of a second, bollard's option only whole ones; they would bring
/// back lines from before a quick restart.
fn since(uri: &Uri, seconds: i64, nanos: u32) -> Option<Uri> {
    let (base, query) = uri.path_and_query()?.as_str().split_once('?')?;
    let rest = query.split('&').filter(|pair| !pair.starts_with("since="));
    let query: Vec<_> = rest.map(str::to_owned).collect();
    format!("{base}?{}&since={seconds}.{nanos:09}", query.join("&")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_keeps_its_fraction_and_the_other_options() {
        let uri: Uri =
            "http://engine/containers/x/logs?follow=true&since=0&tail=all".parse().unwrap();
        assert_eq!(
            since(&uri, 12, 345).unwrap().to_string(),
            "/containers/x/logs?follow=true&tail=all&since=12.000000345"
        );
    }
}

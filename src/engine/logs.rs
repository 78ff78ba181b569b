//! Log streams: typed frames, of this start only where that is asked for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::dialer::Chunks;
use super::failure::{convert, lift, refusal};
use super::{ApiVersion, Engine, EngineKind};
use crate::error::{Error, ErrorKind, Result};

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

/// How long a container may take to count as ended when its log has.
const ENDED_LIMIT: Duration = Duration::from_secs(2);

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

impl LogRequest {
    fn path(&self, id: &str) -> String {
        let LogRequest { follow, stdout, stderr, timestamps, since, tail } = self;
        let mut path = format!(
            "/containers/{id}/logs?follow={follow}&stdout={stdout}&stderr={stderr}\
             &timestamps={timestamps}"
        );
        if let Some((seconds, nanos)) = since {
            // The fraction counts: a quick restart is within a second.
            path.push_str(&format!("&since={seconds}.{nanos:09}"));
        }
        if let Some(lines) = tail {
            path.push_str(&format!("&tail={lines}"));
        }
        path
    }
}

impl Engine {
    /// What is asked for of a container's log. A followed one ends with the container, and is
    /// whole then.
    pub(crate) fn container_logs(&self, id: &str, request: &LogRequest) -> FrameStream {
        let log = self.log_as_it_is(id, request);
        // What `tail` leaves out is not the same once there is more.
        if !request.follow || request.tail.is_some() || !self.cuts_logs() {
            return log;
        }
        let (engine, id) = (self.clone(), id.to_owned());
        let again = LogRequest { follow: false, ..request.clone() };
        Box::pin(stream::unfold(Stage::Following(log, 0), move |stage| {
            stage.next(engine.clone(), id.clone(), again.clone())
        }))
    }

    /// Docker before 23 may end a followed log before its end when the container ends, as its
    /// own reader of the file is told of that too early. So may Podman.
    fn cuts_logs(&self) -> bool {
        self.kind() == EngineKind::Podman || self.api_version() < ApiVersion::new(1, 42)
    }

    fn log_as_it_is(&self, id: &str, request: &LogRequest) -> FrameStream {
        let (dialer, path) = (self.dialer().clone(), request.path(id));
        let opened = async move {
            let (status, mut chunks) = dialer.stream(&path).await.map_err(lift("read the log"))?;
            if status.is_success() {
                return Ok(Frames::new(chunks));
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

/// How far a log has come that is followed, and then read again behind what was seen.
enum Stage {
    Following(FrameStream, usize),
    Rest(FrameStream),
    Ended,
}

impl Stage {
    async fn next(
        mut self,
        engine: Engine,
        id: String,
        again: LogRequest,
    ) -> Option<(Result<LogFrame>, Stage)> {
        loop {
            self = match self {
                Stage::Following(mut log, seen) => match log.next().await {
                    Some(Ok(frame)) => return Some((Ok(frame), Stage::Following(log, seen + 1))),
                    Some(Err(error)) => return Some((Err(error), Stage::Ended)),
                    None => {
                        // Its log is whole when it counts as ended.
                        let ended = engine.wait_container(&id);
                        let _ = tokio::time::timeout(ENDED_LIMIT, ended).await;
                        Stage::Rest(Box::pin(engine.log_as_it_is(&id, &again).skip(seen)))
                    }
                },
                // It may have been removed by now, which ends it as well.
                Stage::Rest(mut log) => {
                    let frame = log.next().await?.ok()?;
                    return Some((Ok(frame), Stage::Rest(log)));
                }
                Stage::Ended => return None,
            }
        }
    }
}

/// The length of what stands before every frame, unless there is a terminal.
const HEAD: usize = 8;

/// Takes the frames out of the chunks. Usually a chunk is a frame; nothing relies on it.
struct Frames<S = Chunks> {
    chunks: S,
    /// What has come and was not handed over.
    rest: Bytes,
    /// The beginning of a frame whose end is still to come.
    partial: BytesMut,
    ended: bool,
}

impl<S> Frames<S> {
    fn new(chunks: S) -> Self {
        Frames { chunks, rest: Bytes::new(), partial: BytesMut::new(), ended: false }
    }

    /// A chunk has come: it goes behind what there is of an unfinished frame.
    fn push(&mut self, chunk: Bytes) {
        if self.partial.is_empty() {
            self.rest = chunk;
        } else {
            self.partial.extend_from_slice(&chunk);
            self.rest = std::mem::take(&mut self.partial).freeze();
        }
    }

    /// The next whole frame; what is left then is kept until more comes.
    fn next_frame(&mut self) -> Option<LogFrame> {
        let stream = match self.rest.first()? {
            0 | 1 => LogStream::Stdout,
            2 => LogStream::Stderr,
            // With a terminal the bytes come as they are.
            _ => {
                let bytes = std::mem::take(&mut self.rest);
                return Some(LogFrame { stream: LogStream::Stdout, bytes });
            }
        };
        if let Some(&[.., a, b, c, d]) = self.rest.first_chunk::<HEAD>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if self.rest.len() - HEAD >= length {
                self.rest.advance(HEAD);
                return Some(LogFrame { stream, bytes: self.rest.split_to(length) });
            }
        }
        self.partial.extend_from_slice(&std::mem::take(&mut self.rest));
        None
    }
}

impl<S: Stream<Item = std::result::Result<Bytes, BollardError>> + Unpin> Stream for Frames<S> {
    type Item = Result<LogFrame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(frame) = self.next_frame() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
                Some(Ok(chunk)) => self.push(chunk),
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(convert("read the log", error))));
                }
                None => {
                    self.ended = true;
                    if !self.partial.is_empty() {
                        let message = "failed to read the log: it ends within a frame";
                        return Poll::Ready(Some(Err(Error::new(ErrorKind::Protocol, message))));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_what_was_asked_and_since_its_fraction() {
        let follow = LogRequest::follow().path("x");
        assert_eq!(
            follow,
            "/containers/x/logs?follow=true&stdout=true&stderr=true&timestamps=false"
        );
        let since = LogRequest { since: Some((12, 345)), tail: Some(7), ..LogRequest::follow() };
        assert_eq!(since.path("x"), format!("{follow}&since=12.000000345&tail=7"));
    }

    #[test]
    fn what_the_engine_refuses_is_told_in_its_words() {
        let error = refusal("read the log", 404, br#"{"message":"No such container: x"}"#);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("No such container: x"), "{error}");
        assert!(refusal("read the log", 500, b"oops").to_string().contains("oops"));
    }

    fn frames(log: &[u8], piece: usize) -> Vec<Result<LogFrame>> {
        let chunks: Vec<_> =
            log.chunks(piece).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let frames = Frames::new(stream::iter(chunks));
        let mut frames = std::pin::pin!(frames.collect::<Vec<_>>());
        let mut context = Context::from_waker(std::task::Waker::noop());
        match frames.as_mut().poll(&mut context) {
            Poll::Ready(frames) => frames,
            Poll::Pending => panic!("nothing to wait for"),
        }
    }

    #[test]
    fn frames_are_whole_however_the_log_is_cut() {
        let log = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04oops\x01\0\0\0\0\0\0\0";
        for piece in 1..=log.len() {
            let found: Vec<_> = frames(log, piece).into_iter().map(Result::unwrap).collect();
            let frame = |stream, bytes: &[u8]| test_frame(stream, bytes);
            let expected = [
                frame(LogStream::Stdout, b"out"),
                frame(LogStream::Stderr, b"oops"),
                frame(LogStream::Stdout, b""),
            ];
            assert_eq!(found, expected, "{piece}");
        }
    }

    #[test]
    fn a_terminals_bytes_come_as_they_are_and_a_cut_frame_is_an_error() {
        assert_eq!(frames(b"login: ", 7)[0].as_ref().unwrap().bytes, "login: ");
        let cut = frames(b"\x01\0\0\0\0\0\0\x03ou", 4);
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].as_ref().unwrap_err().kind(), ErrorKind::Protocol);
    }
}

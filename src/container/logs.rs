//! [`Logs`]: the output of a container, as frames, lines or text.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_core::Stream;
use futures_util::StreamExt;

use super::lines::LineSplitter;
use crate::engine::{Client, FrameStream, LogFrame, LogRequest, LogStream};
use crate::error::Result;
use crate::forks::Process;

/// The output of a container; made by [`Container::logs`](super::Container::logs).
///
/// ```no_run
/// # async fn run(container: castoff::Container) -> castoff::Result<()> {
/// let mut lines = container.logs().with_follow().with_tail(10).lines();
/// while let Some(line) = lines.next().await {
///     println!("{}", line?.text);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is asked before `frames()`, `lines()` or `text()`"]
pub struct Logs {
    engine: Client,
    container: String,
    request: LogRequest,
    /// Whether the engine may start the container again when it ends.
    restarts: bool,
    /// The process that the container belongs to.
    process: Process,
}

impl Logs {
    pub(super) fn new(
        engine: Client,
        container: String,
        tty: bool,
        restarts: bool,
        process: Process,
    ) -> Self {
        Logs { engine, container, request: LogRequest::all(tty), restarts, process }
    }

    /// Follows new output until the container ends, as `docker logs --follow` does; over all of its
    /// runs, where a restart policy starts it again. Default: what there is.
    pub fn with_follow(mut self) -> Self {
        self.request.follow = true;
        self
    }

    /// Selects standard output only. Default: both streams.
    pub fn with_stdout_only(mut self) -> Self {
        (self.request.stdout, self.request.stderr) = (true, false);
        self
    }

    /// Selects standard error only. Default: both streams.
    pub fn with_stderr_only(mut self) -> Self {
        (self.request.stdout, self.request.stderr) = (false, true);
        self
    }

    /// Selects output written since this time only. Default: everything.
    pub fn with_since(mut self, time: SystemTime) -> Self {
        self.request.since = Some(since_1970(time));
        self
    }

    /// Selects output written until this time only, by the engine's clock. A followed log goes on
    /// until the first newer line, or the end. Default: everything.
    pub fn with_until(mut self, time: SystemTime) -> Self {
        self.request.until = Some(since_1970(time));
        self
    }

    /// Selects the last lines only. Default: all.
    pub fn with_tail(mut self, lines: u64) -> Self {
        self.request.tail = Some(lines);
        self
    }

    /// Prefixes each line with the time at which it was written, in RFC 3339 format.
    pub fn with_timestamps(mut self) -> Self {
        self.request.timestamps = true;
        self
    }

    /// Returns the output in the pieces that the engine sends.
    pub fn frames(self) -> LogFrames {
        let frames = match self.process.check() {
            Ok(()) if self.request.follow && self.restarts => {
                self.engine.log_of_all_runs(&self.container, &self.request)
            }
            Ok(()) => self.engine.container_logs(&self.container, &self.request),
            Err(error) => Box::pin(futures_util::stream::iter([Err(error.at("logs"))])),
        };
        LogFrames { frames }
    }

    /// Returns the output in whole lines, split per stream.
    pub fn lines(self) -> LogLines {
        LogLines { frames: self.frames(), splitter: LineSplitter::default(), ended: false }
    }

    /// Returns all output as text, both streams in the order of arrival; invalid UTF-8 is replaced.
    ///
    /// # Errors
    /// Fails if the engine can't be asked, or cuts the stream.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn text(self) -> Result<String> {
        let mut frames = self.frames();
        let mut bytes = Vec::new();
        while let Some(frame) = frames.next().await {
            bytes.extend_from_slice(&frame?.bytes);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Returns the time since 1970 in seconds and nanoseconds.
fn since_1970(time: SystemTime) -> (i64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// The output in the pieces that the engine sends: a [`Stream`] with a [`next`](Self::next) method.
#[must_use = "a stream does nothing unless it is polled"]
pub struct LogFrames {
    frames: FrameStream,
}

impl LogFrames {
    /// Returns the next piece; `None` at the end.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<LogFrame>> {
        self.frames.next().await
    }
}

impl Stream for LogFrames {
    type Item = Result<LogFrame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.frames.as_mut().poll_next(context)
    }
}

impl fmt::Debug for LogFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFrames").finish_non_exhaustive()
    }
}

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The stream on which the line was written.
    pub stream: LogStream,
    /// The line, without its end; invalid UTF-8 is replaced.
    pub text: String,
}

impl LogLine {
    pub(super) fn new(stream: LogStream, bytes: &[u8]) -> Self {
        LogLine { stream, text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

/// The output in whole lines: a [`Stream`] with a [`next`](Self::next) method.
///
/// A line longer than 1 MiB is split into pieces between characters.
#[must_use = "a stream does nothing unless it is polled"]
pub struct LogLines {
    frames: LogFrames,
    splitter: LineSplitter,
    ended: bool,
}

impl LogLines {
    /// Returns the next line; `None` at the end.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<LogLine>> {
        StreamExt::next(self).await
    }
}

impl Stream for LogLines {
    type Item = Result<LogLine>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.splitter.next_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.frames).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => self.splitter.push(&frame),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    self.ended = true;
                    self.splitter.finish();
                }
            }
        }
    }
}

impl fmt::Debug for LogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLines").finish_non_exhaustive()
    }
}

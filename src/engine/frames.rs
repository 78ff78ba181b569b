//! [`Frames`]: splits the engine's stream into the output of a container or a command.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bollard::errors::Error as BollardError;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;

use super::failure::convert;
use crate::error::{Error, ErrorKind, Result};

/// The stream that output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogStream {
    /// The standard output; with a terminal, all output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// A piece of output as the engine sent it: often, but not always, one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFrame {
    /// The stream that it was written to.
    pub stream: LogStream,
    /// The bytes.
    pub bytes: Bytes,
}

#[cfg(test)]
pub(crate) fn test_frame(stream: LogStream, bytes: &[u8]) -> LogFrame {
    LogFrame { stream, bytes: Bytes::copy_from_slice(bytes) }
}

/// The length of a frame's header, which is absent with a terminal: the stream's number, three
/// zeros, and the length in big-endian order (Engine API, "Stream format").
const HEAD: usize = 8;

/// Limit for a frame that is returned as a whole; a longer one is returned in parts as they arrive.
const WHOLE: usize = 1024 * 1024;

/// The frames in a stream of chunks. Usually a chunk is a frame, but nothing relies on it.
///
/// The caller says whether there is a terminal, and so no frames: the bytes don't show it, as a
/// program may write bytes that look like a header.
pub(super) struct Frames<S> {
    doing: &'static str,
    tty: bool,
    chunks: S,
    /// Bytes that have arrived and are not read yet.
    rest: Bytes,
    /// The beginning of a header or a frame whose end is still to come.
    partial: BytesMut,
    /// The frame that is being read: its stream, and the number of bytes to come.
    open: Option<(LogStream, usize)>,
    ended: bool,
}

impl<S> Frames<S> {
    /// Creates the stream. `doing` completes "failed to" in its errors.
    pub(super) fn new(doing: &'static str, tty: bool, chunks: S) -> Self {
        let (rest, partial) = (Bytes::new(), BytesMut::new());
        Frames { doing, tty, chunks, rest, partial, open: None, ended: false }
    }

    /// Returns the next frame, or the available part of a long one.
    fn next_frame(&mut self) -> Result<Option<LogFrame>> {
        if self.tty {
            let bytes = std::mem::take(&mut self.rest);
            let frame = LogFrame { stream: LogStream::Stdout, bytes };
            return Ok(Some(frame).filter(|frame| !frame.bytes.is_empty()));
        }
        let (stream, left) = match self.open {
            Some(open) => open,
            None => match self.head()? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        self.open = Some((stream, left));
        let have = self.partial.len() + self.rest.len();
        if have < left && have < WHOLE {
            self.partial.extend_from_slice(&std::mem::take(&mut self.rest));
            return Ok(None);
        }
        let from_rest = self.rest.split_to(left.min(have) - self.partial.len());
        let bytes = if self.partial.is_empty() {
            from_rest
        } else {
            self.partial.extend_from_slice(&from_rest);
            std::mem::take(&mut self.partial).freeze()
        };
        let left = left - bytes.len();
        self.open = (left > 0).then_some((stream, left));
        Ok(Some(LogFrame { stream, bytes }))
    }

    fn head(&mut self) -> Result<Option<(LogStream, usize)>> {
        let wanted = HEAD - self.partial.len();
        self.partial.extend_from_slice(&self.rest.split_to(wanted.min(self.rest.len())));
        let Some(&[number, _, _, _, a, b, c, d]) = self.partial.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        self.partial.advance(HEAD);
        let stream = match number {
            0 | 1 => LogStream::Stdout,
            2 => LogStream::Stderr,
            _ => {
                let doing = self.doing;
                let message = format!("failed to {doing}: there is no output stream {number}");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
        };
        Ok(Some((stream, u32::from_be_bytes([a, b, c, d]) as usize)))
    }

    fn cut(&self) -> Option<Error> {
        if self.open.is_none() && self.partial.is_empty() {
            return None;
        }
        let message = format!("failed to {}: it ends within a frame", self.doing);
        Some(Error::new(ErrorKind::Protocol, message))
    }
}

impl<S: Stream<Item = Result<Bytes, BollardError>> + Unpin> Stream for Frames<S> {
    type Item = Result<LogFrame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match self.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
                // The previous chunk has been consumed.
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(convert(self.doing, error))));
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(self.cut().map(Err));
                }
            }
        }
    }
}

/// The number of bytes read of each stream, for continuing after them in the same log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    stdout: u64,
    stderr: u64,
}

impl Seen {
    fn of(&mut self, stream: LogStream) -> &mut u64 {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }

    pub(crate) fn note(&mut self, frame: &LogFrame) {
        *self.of(frame.stream) += frame.bytes.len() as u64;
    }

    /// Returns the part of a frame that was not read before, when the log is read again.
    pub(crate) fn behind(&mut self, mut frame: LogFrame) -> Option<LogFrame> {
        let left = self.of(frame.stream);
        let length = frame.bytes.len() as u64;
        if *left > 0 && *left >= length {
            *left -= length;
            return None;
        }
        frame.bytes.advance(usize::try_from(std::mem::take(left)).unwrap_or(usize::MAX));
        Some(frame)
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;

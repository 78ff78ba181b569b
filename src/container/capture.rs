//! [`Capture`]: the streams of a container that runs to its end.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::plan::Created;
use crate::engine::{Client, ExecOutput, FrameStream, LogRequest};
use crate::error::{Error, Result};

/// The end-of-file character of a terminal, the default of `stty eof`.
const END_OF_FILE: u8 = 4;

/// The settings of `run()` for a container's streams, and the attached streams.
#[derive(Default)]
pub(super) struct Capture {
    stdin: Option<Vec<u8>>,
    limit: usize,
    /// The streams of the last attempt.
    attached: Mutex<Option<Attached>>,
}

enum Attached {
    Streams { output: FrameStream, input: Pin<Box<dyn AsyncWrite + Send>>, tty: bool },
    Log { tty: bool },
}

impl Capture {
    pub(super) fn new(stdin: Option<Vec<u8>>, limit: usize) -> Self {
        Capture { stdin, limit, attached: Mutex::default() }
    }

    pub(super) fn has_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    /// Attaches to the container before it starts. If that fails, the log is read instead, unless
    /// there is input.
    pub(super) async fn attach(&self, engine: &Client, id: &str, made: &Created) -> Result<()> {
        let tty = made.tty;
        let attached = if made.restarts && self.stdin.is_none() {
            // The attached streams end with the first run.
            tracing::warn!(id, "output is read from the log, as the container may be restarted");
            Attached::Log { tty }
        } else {
            match engine.attach_container(id, self.has_stdin(), tty).await {
                Ok((output, input)) => Attached::Streams { output, input, tty },
                Err(error) if self.stdin.is_none() => {
                    tracing::warn!(id, %error, "output is read from the log");
                    Attached::Log { tty }
                }
                Err(error) => return Err(error.at("attach")),
            }
        };
        *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = Some(attached);
        Ok(())
    }

    /// Returns all output of the container until its end, and its exit code.
    pub(super) async fn collect(self, engine: &Client, id: &str) -> Result<ExecOutput> {
        let attached = self.attached.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut out = ExecOutput::default();
        let (mut output, mut input, tty) = match attached {
            Some(Attached::Streams { output, input, tty }) => (output, input, tty),
            Some(Attached::Log { tty }) => return from_log(engine, id, tty, self.limit).await,
            None => return from_log(engine, id, false, self.limit).await,
        };
        let sending = async {
            if let Some(bytes) = self.stdin {
                send(&mut input, &bytes, tty).await;
            }
        };
        let reading = async {
            while let Some(frame) = output.next().await {
                out.push(&frame?, self.limit)?;
            }
            Ok::<(), Error>(())
        };
        // A program need not read its input: the end of its output counts.
        let sending = std::pin::pin!(sending);
        let reading = std::pin::pin!(reading);
        let read = match futures_util::future::select(reading, sending).await {
            futures_util::future::Either::Left((read, _)) => read,
            futures_util::future::Either::Right(((), reading)) => reading.await,
        };
        read?;
        out.exit_code = engine.wait_container(id).await?;
        Ok(out)
    }
}

/// Sends the input and closes it. A program that has stopped reading is no error.
pub(super) async fn send(input: &mut Pin<Box<dyn AsyncWrite + Send>>, bytes: &[u8], tty: bool) {
    let sent = async {
        input.write_all(bytes).await?;
        if !tty {
            return input.shutdown().await;
        }
        // Closing a terminal's input would not end it. This character does at the beginning of a
        // line; within a line, the first one flushes the line and a second one ends the input.
        let ends = if bytes.last().is_none_or(|byte| *byte == b'\n') { 1 } else { 2 };
        input.write_all(&[END_OF_FILE; 2][..ends]).await?;
        input.flush().await
    };
    if let Err(error) = sent.await {
        tracing::debug!(%error, "not all of the input was taken");
    }
}

async fn from_log(engine: &Client, id: &str, tty: bool, limit: usize) -> Result<ExecOutput> {
    let mut out = ExecOutput { from_log: true, ..ExecOutput::default() };
    // The log is complete once the container has ended.
    out.exit_code = engine.wait_container(id).await?;
    let mut frames = engine.container_logs(id, &LogRequest::all(tty));
    while let Some(frame) = frames.next().await {
        out.push(&frame?, limit)?;
    }
    Ok(out)
}

//! Commands inside running containers.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::io::AsyncWrite;

use super::failure::{convert, lift};
use super::{Engine, FrameStream, LogFrame, LogStream};
use crate::error::{Error, ErrorKind, Result};

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to its standard output; all of it, for one with a terminal.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    /// Whether the exit code is 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// The standard output as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// The standard error as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }

    /// The output of a command that must succeed.
    ///
    /// # Errors
    /// [`ErrorKind::Exited`] when the exit code is not 0, with the last lines that it wrote.
    pub fn ok(self) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        let message = format!("the command exited with code {}", self.code);
        let text = format!("{}{}", self.stdout_text(), self.stderr_text());
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let tail = lines[lines.len().saturating_sub(20)..].to_vec();
        Err(Error::new(ErrorKind::Exited, message).with_exit(self.code, false).with_log_tail(tail))
    }

    pub(crate) fn push(&mut self, frame: &LogFrame) {
        match frame.stream {
            LogStream::Stdout => self.stdout.extend_from_slice(&frame.bytes),
            LogStream::Stderr => self.stderr.extend_from_slice(&frame.bytes),
        }
    }

    /// One line for a probe's note.
    pub(crate) fn summary(&self) -> String {
        let text = format!("{}{}", self.stdout_text(), self.stderr_text());
        let last: String =
            text.trim_end().lines().last().unwrap_or_default().chars().take(200).collect();
        match last.is_empty() {
            true => format!("exit code {}, no output", self.code),
            false => format!("exit code {}, output ends with `{last}`", self.code),
        }
    }
}

/// A command to run in a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecRequest {
    pub(crate) command: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: Option<String>,
    pub(crate) stdin: bool,
    pub(crate) tty: bool,
    pub(crate) privileged: bool,
}

/// A command that was started: its output, and its input while that is wanted.
pub(crate) struct ExecSession {
    pub(crate) id: String,
    pub(crate) output: FrameStream,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

fn is_reset(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &std::io::Error| cause.kind() == std::io::ErrorKind::ConnectionReset)
}

impl Engine {
    pub(crate) async fn exec(&self, container: &str, request: &ExecRequest) -> Result<ExecSession> {
        let config = ExecConfig {
            attach_stdin: Some(request.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.tty),
            env: (!request.env.is_empty()).then(|| request.env.clone()),
            cmd: Some(request.command.clone()),
            privileged: request.privileged.then_some(true),
            user: request.user.clone(),
            working_dir: request.working_dir.clone(),
            ..ExecConfig::default()
        };
        let created = self
            .docker()
            .create_exec(container, config)
            .await
            .map_err(lift("prepare the command"))?;
        let options =
            StartExecOptions { detach: false, tty: request.tty, output_capacity: Some(64 * 1024) };
        let started = self
            .docker()
            .start_exec(&created.id, Some(options))
            .await
            .map_err(lift("start the command"))?;
        match started {
            StartExecResults::Attached { output, input } => {
                let stdin = request.stdin;
                let frames = output.map(|frame| {
                    frame.map(LogFrame::read).map_err(|e| convert("read the command's output", e))
                });
                // A command that left input unread closes the connection with a reset, behind
                // all of its output.
                let output = Box::pin(frames.take_while(move |frame| {
                    std::future::ready(!(stdin && frame.as_ref().is_err_and(is_reset)))
                }));
                Ok(ExecSession { id: created.id, output, input })
            }
            StartExecResults::Detached => Err(Error::new(
                ErrorKind::Protocol,
                "failed to start the command: the engine did not attach to it",
            )),
        }
    }

    /// Runs a command without input to its end and collects its output.
    pub(crate) async fn exec_output(
        &self,
        container: &str,
        request: &ExecRequest,
    ) -> Result<ExecOutput> {
        let mut session = self.exec(container, request).await?;
        let mut output = ExecOutput::default();
        while let Some(frame) = session.output.next().await {
            output.push(&frame?);
        }
        output.code = self.exec_code(&session.id).await?;
        Ok(output)
    }

    /// The exit code of a command whose output has ended.
    pub(crate) async fn exec_code(&self, exec: &str) -> Result<i64> {
        // The output may be closed an instant before the command counts as ended.
        let mut pause = Duration::from_millis(1);
        for _ in 0..14 {
            if let Some(code) = self.exec_code_now(exec).await? {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Error::new(ErrorKind::Protocol, "the engine does not tell the command's exit code"))
    }

    async fn exec_code_now(&self, exec: &str) -> Result<Option<i64>> {
        let answer = self.docker().inspect_exec(exec).await;
        let answer = answer.map_err(lift("ask for the command's exit code")).map_err(forgotten)?;
        let running = answer.running.unwrap_or_default();
        Ok(answer.exit_code.filter(|_| !running))
    }
}

/// An engine remembers a command for minutes after its end, but not beyond its own.
fn forgotten(error: Error) -> Error {
    if error.status() != Some(404) {
        return error;
    }
    let message = "the connection to the command was cut: the engine, which no longer knows it, \
                   was restarted, or the container was removed, while it ran";
    Error::new(ErrorKind::Connection, message).with_status(404).with_source(error)
}

//! Commands inside running containers.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use bollard::models::ExecConfig;
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::AsyncWrite;

use super::failure::lift;
use super::frames::Frames;
use super::{Client, FrameStream, LogFrame, LogStream};
use crate::error::{Error, ErrorKind, Result};

/// Default limit for the output that is kept, in bytes per stream.
pub(crate) const OUTPUT_LIMIT: usize = 64 * 1024 * 1024;

/// Limit for the lines of output in an error.
const SHOWN_LINES: usize = 20;

/// Returns the last lines of an output, in order.
fn last_lines(output: &[u8], count: usize) -> Vec<String> {
    let output = output.strip_suffix(b"\n").unwrap_or(output);
    if output.is_empty() {
        return Vec::new();
    }
    let lines = output.rsplit(|byte| *byte == b'\n').take(count);
    let lines = lines.map(|line| shortened(line.strip_suffix(b"\r").unwrap_or(line)));
    let mut lines: Vec<_> = lines.collect();
    lines.reverse();
    lines
}

/// Shortens a long line to its beginning and its end.
fn shortened(line: &[u8]) -> String {
    const SHOWN: usize = 500;
    if line.len() <= 3 * SHOWN {
        return String::from_utf8_lossy(line).into_owned();
    }
    let begins = |byte: &u8| byte & 0xc0 != 0x80;
    let head = (SHOWN - 3..=SHOWN).rev().find(|at| begins(&line[*at])).unwrap_or(SHOWN);
    let from = line.len() - SHOWN;
    let tail = (from..from + 4).find(|at| begins(&line[*at])).unwrap_or(from);
    let (first, last) =
        (String::from_utf8_lossy(&line[..head]), String::from_utf8_lossy(&line[tail..]));
    format!("{first} [{} bytes left out] {last}", tail - head)
}

/// The output of a command, and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// Its exit code.
    pub exit_code: i64,
    /// The standard output; with a terminal, all output.
    pub stdout: Vec<u8>,
    /// The standard error.
    pub stderr: Vec<u8>,
    /// Whether the output of a [`run`](crate::ContainerBuilder::run) was read from the engine's
    /// log, because it could not be received directly. Most logs replace bytes that are no UTF-8.
    /// Always false for a command in a running container.
    pub from_log: bool,
}

impl ExecOutput {
    /// Returns whether the exit code is 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit_code == 0
    }

    /// Returns the standard output as text. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Returns the standard error as text. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }

    /// Returns the output of a command that must succeed.
    ///
    /// # Errors
    /// [`ErrorKind::Exited`] if the exit code is not 0, with the last 20 lines of its output; lines
    /// above 1,500 bytes are shortened to their beginning and end.
    pub fn ok(self) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        let message = format!("the command exited with code {}", self.exit_code);
        let mut tail = last_lines(&self.stderr, SHOWN_LINES);
        let before = last_lines(&self.stdout, SHOWN_LINES - tail.len());
        tail.splice(0..0, before);
        Err(Error::new(ErrorKind::Exited, message)
            .with_exit(self.exit_code, false)
            .with_log_tail(tail))
    }

    /// Appends a chunk of output, up to `limit` bytes per stream.
    pub(crate) fn push(&mut self, frame: &LogFrame, limit: usize) -> Result<()> {
        let (name, taken) = match frame.stream {
            LogStream::Stdout => ("standard output", &mut self.stdout),
            LogStream::Stderr => ("standard error", &mut self.stderr),
        };
        if taken.len().saturating_add(frame.bytes.len()) > limit {
            let message =
                format!("the {name} is longer than the {limit} bytes that are kept of it");
            let hint = "allow more by `.with_output_limit(..)`, or read the output as a stream";
            return Err(Error::new(ErrorKind::TooLarge, message).with_hint(hint));
        }
        taken.extend_from_slice(&frame.bytes);
        Ok(())
    }

    /// Returns one line for a probe's record.
    pub(crate) fn summary(&self) -> String {
        let text = format!("{}{}", self.stdout_text(), self.stderr_text());
        let last: String =
            text.trim_end().lines().last().unwrap_or_default().chars().take(200).collect();
        match last.is_empty() {
            true => format!("exit code {}, no output", self.exit_code),
            false => format!("exit code {}, output ends with `{last}`", self.exit_code),
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

/// A started command, with its output and its input.
pub(crate) struct ExecSession {
    pub(crate) id: String,
    pub(crate) output: FrameStream,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// Ends the output at a connection reset if there is input: a process that leaves input unread
/// causes one, after all of its output.
pub(super) fn until_reset(
    frames: impl Stream<Item = Result<LogFrame>> + Send + 'static,
    has_input: bool,
) -> FrameStream {
    Box::pin(frames.take_while(move |frame| {
        std::future::ready(!(has_input && frame.as_ref().is_err_and(is_reset)))
    }))
}

fn is_reset(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &std::io::Error| cause.kind() == std::io::ErrorKind::ConnectionReset)
}

impl Client {
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
        let path = format!("/exec/{}/start", created.id);
        let body = serde_json::json!({ "Detach": false, "Tty": request.tty });
        let (received, input) =
            self.dialer().raw(&path, Some(&body)).await.map_err(lift("start the command"))?;
        let frames = Frames::new("read the command's output", request.tty, received);
        let output = until_reset(frames, request.stdin);
        Ok(ExecSession { id: created.id, output, input: Box::pin(input) })
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
            output.push(&frame?, OUTPUT_LIMIT)?;
        }
        output.exit_code = self.exec_code(&session.id).await?;
        Ok(output)
    }

    /// Returns the exit code of a command whose output has ended.
    pub(crate) async fn exec_code(&self, exec: &str) -> Result<i64> {
        // The output may close an instant before the engine counts the command as ended.
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

/// Engines keep the result of a command for some minutes, and lose it when they restart.
fn forgotten(error: Error) -> Error {
    if error.status() != Some(404) {
        return error;
    }
    let message = "the connection to the command was cut: the engine, which no longer knows it, \
                   was restarted, or the container was removed, while it ran";
    Error::new(ErrorKind::Connection, message).with_status(404).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_by_its_ends() {
        let stdout = [b"first\n\xc3".to_vec(), "\u{e4}".repeat(2_500_000).into_bytes()].concat();
        let output =
            ExecOutput { exit_code: 1, stdout, stderr: b"oops\n".to_vec(), from_log: false };
        let error = output.ok().unwrap_err();
        let [first, long, last] = error.log_tail() else { panic!("{:?}", error.log_tail()) };
        assert_eq!((first.as_str(), last.as_str()), ("first", "oops"));
        assert!(long.len() < 1_100 && long.contains("bytes left out"), "{long}");
        assert_eq!(long.matches('\u{fffd}').count(), 1, "{long}");
    }

    #[test]
    fn the_last_lines_of_both_streams_are_shown() {
        let lines: String = (0..30).map(|n| format!("{n}\n")).collect();
        let output = ExecOutput { exit_code: 1, stdout: lines.into(), ..ExecOutput::default() };
        let error = output.ok().unwrap_err();
        assert_eq!((error.log_tail().len(), error.log_tail()[0].as_str()), (20, "10"));
    }

    #[test]
    fn what_is_too_long_is_an_error_that_says_what_to_do() {
        let mut output = ExecOutput::default();
        let frame = super::super::test_frame(LogStream::Stdout, b"12345");
        output.push(&frame, 9).unwrap();
        let error = output.push(&frame, 9).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.hint().unwrap().contains("with_output_limit"));
    }
}

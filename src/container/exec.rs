//! [`Exec`]: a command in a running container.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;

use super::capture::send;
use crate::engine::{Client, ExecOutput, ExecRequest, ExecSession, LogFrame, OUTPUT_LIMIT};
use crate::error::{Error, Result};
use crate::forks::Process;
use crate::timed::timed;

/// A command to run in a container; made by [`Container::exec`](super::Container::exec).
///
/// Await it for its whole output, or stream the output with [`stream`](Self::stream).
///
/// ```no_run
/// # async fn run(container: castoff::Container) -> castoff::Result<()> {
/// let sorted = container
///     .exec(["sort", "-n"])
///     .with_user("nobody")
///     .with_env("LC_ALL", "C")
///     .with_stdin("3\n1\n2\n")
///     .await?
///     .ok()?;
/// assert_eq!(sorted.stdout, b"1\n2\n3\n");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs before it is awaited or streamed"]
pub struct Exec {
    engine: Client,
    container: String,
    request: ExecRequest,
    stdin: Option<Vec<u8>>,
    output_limit: usize,
    /// The process that the container belongs to.
    process: Process,
}

impl Exec {
    pub(super) fn new(
        engine: Client,
        container: String,
        command: Vec<String>,
        process: Process,
    ) -> Self {
        let request = ExecRequest { command, ..ExecRequest::default() };
        Exec { engine, container, request, stdin: None, output_limit: OUTPUT_LIMIT, process }
    }

    /// Sets the user to run as. Default: the container's.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.request.user = Some(user.into());
        self
    }

    /// Adds an environment variable to those of the container.
    pub fn with_env(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.request.env.push(format!("{}={}", key.as_ref(), value.as_ref()));
        self
    }

    /// Sets the working directory. Default: the container's.
    pub fn with_working_dir(mut self, path: impl Into<String>) -> Self {
        self.request.working_dir = Some(path.into());
        self
    }

    /// Sets the bytes for its standard input, which is closed after them. Default: none.
    ///
    /// With a terminal ([`with_tty`](Self::with_tty)) the end is marked by the byte 0x04, as usual
    /// for terminals: the input must be text without control characters, in lines of at most 4,095
    /// bytes, which the terminal echoes into the output. A program that puts its terminal into raw
    /// mode reads that byte instead of an end.
    pub fn with_stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self.request.stdin = true;
        self
    }

    /// Allocates a terminal: standard output and error become one stream.
    pub fn with_tty(mut self) -> Self {
        self.request.tty = true;
        self
    }

    /// Limits the bytes of each stream that are kept when it is awaited; [`stream`](Self::stream)
    /// has no limit. Default: 64 MiB.
    pub fn with_output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Grants all capabilities.
    pub fn with_privileged(mut self) -> Self {
        self.request.privileged = true;
        self
    }

    /// Starts the command and returns its output as a stream.
    ///
    /// # Errors
    /// Fails if the engine can't start it: the container doesn't run, or the command or the user
    /// doesn't exist (some engines report those by exit code 126 or 127 instead).
    ///
    /// # Cancel safety
    /// If the future is dropped, the command may have started in the container, and goes on.
    pub async fn stream(self) -> Result<ExecStream> {
        if self.request.command.is_empty() {
            return Err(Error::invalid("command", "it is empty"));
        }
        self.process.check().map_err(|error| error.at("exec"))?;
        let ExecSession { id, output, mut input } =
            self.engine.exec(&self.container, &self.request).await.map_err(|e| e.at("exec"))?;
        if let Some(bytes) = self.stdin {
            // In parallel with reading the output: a command may write before it has read all of
            // its input.
            let tty = self.request.tty;
            tokio::spawn(async move { send(&mut input, &bytes, tty).await });
        }
        Ok(ExecStream { engine: self.engine, id, output })
    }

    async fn collect(self) -> Result<ExecOutput> {
        let limit = self.output_limit;
        let mut stream = self.stream().await?;
        let mut output = ExecOutput::default();
        while let Some(frame) = stream.next().await {
            output.push(&frame?, limit)?;
        }
        output.exit_code = stream.exit_code().await?;
        Ok(output)
    }
}

impl IntoFuture for Exec {
    type Output = Result<ExecOutput>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let command = self.request.command.first().cloned().unwrap_or_default();
        let span = tracing::debug_span!("exec", container = %self.container, command);
        Box::pin(timed(span, self.collect()))
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Environment and input may hold secrets.
        f.debug_struct("Exec")
            .field("container", &self.container)
            .field("command", &self.request.command)
            .finish_non_exhaustive()
    }
}

/// The output of a running command. A [`Stream`], with a [`next`](Self::next) of its own.
///
/// Dropping it does not end the command, since engines have no call for that: the command goes on
/// in the container, to its own end or the container's, and its output is lost. To end one, run it
/// under `timeout` (`["timeout", "30", ..]`), let it print its process id first (`sh -c 'echo $$;
/// exec ..'`) and `kill` that by another command, or remove the container.
#[must_use = "the output ends with the stream"]
pub struct ExecStream {
    engine: Client,
    id: String,
    output: crate::engine::FrameStream,
}

impl ExecStream {
    /// Returns the next piece of output; `None` when the command has closed its output.
    ///
    /// # Cancel safety
    /// No output is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<LogFrame>> {
        self.output.next().await
    }

    /// Returns the exit code, after reading the rest of the output.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) if the engine doesn't know the exit code
    /// of the command any more.
    ///
    /// # Cancel safety
    /// If the future is dropped, output may have been skipped.
    pub async fn exit_code(mut self) -> Result<i64> {
        while let Some(frame) = self.output.next().await {
            frame?;
        }
        self.engine.exec_code(&self.id).await
    }
}

impl Stream for ExecStream {
    type Item = Result<LogFrame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.output.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ExecStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecStream").field("id", &self.id).finish_non_exhaustive()
    }
}

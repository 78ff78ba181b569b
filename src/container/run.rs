//! `run()`: runs a container to its end and returns its output.

use super::ContainerBuilder;
use super::capture::Capture;
use crate::engine::ExecOutput;
use crate::error::{Error, ErrorKind, Result};
use crate::wait::diagnose;

impl ContainerBuilder {
    /// Runs the container to its end, and returns its exit code and its output, byte for byte; then
    /// removes it. An exit code other than 0 is no error: see [`ExecOutput::ok`].
    ///
    /// There is no time limit, and waits are ignored. The startup timeout applies until the
    /// container has started. At most 64 MiB of each stream are kept: see
    /// [`with_output_limit`](Self::with_output_limit).
    ///
    /// castoff attaches to the container before it starts. If it can't, or if a restart policy may
    /// cause several runs, it reads the engine's log instead: most log drivers replace invalid
    /// UTF-8, and some keep nothing. [`ExecOutput::from_log`] reports this.
    ///
    /// ```no_run
    /// # async fn run() -> castoff::Result<()> {
    /// use castoff::Container;
    ///
    /// let out = Container::builder("debian:12").with_command(["id", "-u"]).run().await?;
    /// assert_eq!(out.stdout, b"0\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`start`](Self::start), except those of waits. [`ErrorKind::TooLarge`] if an output
    /// stream exceeds its limit: the container is removed then.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the container is removed.
    pub async fn run(self) -> Result<ExecOutput> {
        // Boxed, as a test's thread has a small stack.
        Box::pin(self.run_to_its_end()).await
    }

    async fn run_to_its_end(mut self) -> Result<ExecOutput> {
        self.waits = None;
        let stdin = self.stdin.take();
        let mut plan = self.plan().await?;
        plan.capture = Some(Capture::new(stdin, self.output_limit));
        let container = self.attempts_of(&plan).await?;
        let (engine, id) = (container.client().clone(), container.id().to_owned());
        let capture = plan.capture.take().unwrap_or_default();
        let error = match capture.collect(&engine, &id).await {
            Ok(output) => return Ok(output),
            Err(error) => container.told(error.at("run")),
        };
        if error.kind() != ErrorKind::TooLarge {
            return Err(diagnose(&engine, &id, error).await);
        }
        let removed = container.remove().await;
        let state = if removed.is_ok() { "was removed" } else { "is being removed" };
        let message = format!("{error}; the container {state}");
        let hint = error.hint().unwrap_or_default().to_owned();
        Err(Error::new(ErrorKind::TooLarge, message).with_hint(hint).with_source(error))
    }

    /// Sets the bytes for the standard input of a [`run`](Self::run), which is closed after them.
    /// Default: none. `start`, `create` and `shared` refuse a builder with input.
    ///
    /// With a terminal ([`with_tty`](Self::with_tty)) the end is marked by the byte 0x04, as usual
    /// for terminals: the input must be text without control characters, in lines of at most 4,095
    /// bytes, which the terminal echoes into the output. A program that puts its terminal into raw
    /// mode reads that byte instead of an end.
    pub fn with_stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Limits the bytes of each stream that a [`run`](Self::run) may return. Default: 64 MiB.
    pub fn with_output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }
}

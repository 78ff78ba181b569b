//! `run()`: a container to its end, with what it wrote.

use futures_util::StreamExt;

use super::ContainerBuilder;
use crate::engine::{ExecOutput, LogRequest};
use crate::error::{Error, Result};
use crate::wait::diagnose;

impl ContainerBuilder {
    /// Runs the container to its end, and returns its exit code and all it has written; then it
    /// is removed. An exit code other than 0 is no error: see [`ExecOutput::ok`].
    ///
    /// There is no time limit, and waits are not looked at. The startup timeout holds until it
    /// has started.
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
    /// As for [`start`](Self::start), without those of waits.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the container is removed.
    pub async fn run(mut self) -> Result<ExecOutput> {
        self.waits = None;
        let container = self.start().await?;
        let (engine, id) = (container.engine().clone(), container.id());
        let told = |error: Error| container.told(error.at("run"));
        // The log is whole once the container counts as ended.
        let code = match engine.wait_container(id).await {
            Ok(code) => code,
            Err(error) => return Err(diagnose(&engine, id, told(error)).await),
        };
        let mut output = ExecOutput::default();
        let mut frames = engine.container_logs(id, &LogRequest::all());
        while let Some(frame) = frames.next().await {
            output.push(&frame.map_err(told)?);
        }
        output.code = code;
        Ok(output)
    }
}

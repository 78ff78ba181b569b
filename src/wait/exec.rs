//! [`ExecWait`]: waits until a command in the container succeeds.

use std::time::Duration;

use memchr::memmem;

use super::backoff::Backoff;
use super::probe::with_causes;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, Result};

/// A wait for a command in the container to exit as wanted; made by [`WaitFor::exec`].
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct ExecWait {
    command: Vec<String>,
    code: i64,
    text: Option<String>,
}

impl ExecWait {
    pub(super) fn new(command: Vec<String>) -> Self {
        ExecWait { command, code: 0, text: None }
    }

    /// Sets the exit code to wait for. Default: 0.
    pub fn with_exit_code(mut self, code: i64) -> Self {
        self.code = code;
        self
    }

    /// Sets a text that either stream of the command's output must contain as well.
    pub fn with_output(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }

    async fn probe(&self, target: &WaitTarget) -> Result<bool> {
        let output = target.exec(self.command.clone()).await?;
        target.record_probe(output.summary());
        let holds = |bytes: &[u8], text: &String| memmem::find(bytes, text.as_bytes()).is_some();
        Ok(output.exit_code == self.code
            && self
                .text
                .as_ref()
                .is_none_or(|text| holds(&output.stdout, text) || holds(&output.stderr, text)))
    }
}

impl WaitStrategy for ExecWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("exec {:?} {} {:?}", self.command, self.code, self.text))
    }

    fn describe(&self) -> String {
        let text = self.text.as_ref().map(|t| format!(" and output {t:?}")).unwrap_or_default();
        format!("command `{}` with code {}{text}", self.command.join(" "), self.code)
    }

    fn check(&self) -> Result<()> {
        if self.command.is_empty() {
            return Err(Error::invalid("wait", "the command to wait for is empty"));
        }
        Ok(())
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                match self.probe(target).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    // The engine refuses the call while the container starts or stops.
                    Err(error) if error.is_engine_answer() => {
                        target.record_probe(with_causes(&error))
                    }
                    Err(error) => return Err(error),
                }
                backoff.pause().await;
            }
        })
    }
}

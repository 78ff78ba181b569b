//! [`WaitFor`]: the constructors of wait conditions, and how they combine.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::combined::{All, Any, Sequence};
use super::{
    ExecWait, ExitWait, FileWait, HealthWait, HttpWait, LogWait, PauseWait, PortWait, ProbeWait,
    WaitStrategy, WaitTarget,
};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::IntoPort;
use crate::timed::timed;

/// A condition for a container to be ready: any [`WaitStrategy`], with an optional time limit.
///
/// ```
/// use castoff::WaitFor;
/// use std::time::Duration;
///
/// let ready = WaitFor::all([
///     WaitFor::log("accepting connections").with_times(2).into(),
///     WaitFor::port(5432).into(),
/// ])
/// .with_timeout(Duration::from_secs(20));
/// # let _ = ready;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct WaitFor {
    strategy: Arc<dyn WaitStrategy>,
    limit: Option<Duration>,
}

impl WaitFor {
    /// Waits for a text in the output, on either stream, once. It may span frames and lines.
    pub fn log(text: impl Into<Vec<u8>>) -> LogWait {
        LogWait::text(text.into())
    }

    /// Waits for a regular expression in a line of the output, on either stream, once.
    ///
    /// An invalid pattern is an error of the container's start.
    pub fn regex(pattern: impl AsRef<str>) -> LogWait {
        LogWait::regex(pattern.as_ref())
    }

    /// Waits until a published TCP port accepts a connection and keeps it.
    pub fn port(port: impl IntoPort) -> PortWait {
        PortWait::new(port.into_port())
    }

    /// Waits until an HTTP request is answered with a status from 200 to 399.
    pub fn http(path: impl Into<String>) -> HttpWait {
        HttpWait::new(path.into())
    }

    /// Waits until the container's health check passes.
    pub fn health() -> HealthWait {
        HealthWait::default()
    }

    /// Waits until a command in the container exits with code 0.
    pub fn exec(command: impl IntoIterator<Item = impl Into<String>>) -> ExecWait {
        ExecWait::new(command.into_iter().map(Into::into).collect())
    }

    /// Waits until a file or directory exists in the container. Needs no shell there, except in a
    /// tmpfs.
    pub fn file(path: impl Into<String>) -> FileWait {
        FileWait::new(path.into())
    }

    /// Waits until the container exits, with any code.
    pub fn exit() -> ExitWait {
        ExitWait::default()
    }

    /// Waits for a fixed time while the container runs. A last resort: it is too long or too short.
    pub fn duration(duration: Duration) -> PauseWait {
        PauseWait::new(duration)
    }

    /// Waits until a closure returns `Ok(true)`. The closure is called repeatedly, with pauses from
    /// 1 ms to 100 ms; its errors are recorded as the last probe and do not end the wait.
    pub fn probe<F, Fut>(description: impl Into<String>, probe: F) -> ProbeWait
    where
        F: Fn(WaitTarget) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool>> + Send + 'static,
    {
        ProbeWait::new(description.into(), probe)
    }

    /// Waits for all of these, at the same time.
    pub fn all(waits: impl IntoIterator<Item = WaitFor>) -> WaitFor {
        All(waits.into_iter().collect()).into()
    }

    /// Waits for these, one after the other: a condition is not probed before the one in front of
    /// it holds. Log conditions match the output from the start nevertheless.
    pub fn sequence(waits: impl IntoIterator<Item = WaitFor>) -> WaitFor {
        Sequence(waits.into_iter().collect()).into()
    }

    /// Waits for the first of these to hold. Fails only when all have failed.
    pub fn any(waits: impl IntoIterator<Item = WaitFor>) -> WaitFor {
        Any(waits.into_iter().collect()).into()
    }

    /// Sets a limit for this condition alone, within the container's startup timeout.
    pub fn with_timeout(mut self, limit: Duration) -> WaitFor {
        self.limit = Some(limit);
        self
    }

    pub(super) fn describe(&self) -> String {
        match self.limit {
            Some(limit) => format!("{} within {limit:?}", self.strategy.describe()),
            None => self.strategy.describe(),
        }
    }

    /// Returns a text that identifies the condition, without its limit; `None` if it equals no
    /// other.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        self.strategy.fingerprint()
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.strategy.check()
    }

    pub(super) fn sees_exit(&self) -> bool {
        self.strategy.sees_exit()
    }

    pub(super) async fn wait(&self, target: &WaitTarget) -> Result<()> {
        let span = tracing::debug_span!("wait", container = target.name(), what = self.describe());
        let waiting = timed(span, self.strategy.wait(target));
        let outcome = match self.limit {
            None => waiting.await,
            Some(limit) => tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
                let message = format!("the container was not ready after {limit:?}");
                Err(Error::new(ErrorKind::WaitTimeout, message))
            }),
        };
        outcome.map_err(|error| error.at("wait").with_condition(self.describe()))
    }
}

impl<S: WaitStrategy + 'static> From<S> for WaitFor {
    fn from(strategy: S) -> Self {
        WaitFor { strategy: Arc::new(strategy), limit: None }
    }
}

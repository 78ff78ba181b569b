//! [`PauseWait`]: a time passes.

use std::time::Duration;

use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};

/// A time passes while the container runs; made by [`WaitFor::duration`].
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct PauseWait(Duration);

impl PauseWait {
    pub(super) fn new(duration: Duration) -> Self {
        PauseWait(duration)
    }

    /// A limit for this condition alone.
    pub fn timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).timeout(limit)
    }
}

impl WaitStrategy for PauseWait {
    fn describe(&self) -> String {
        format!("{:?} to pass", self.0)
    }

    fn wait<'a>(&'a self, _target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(self.0).await;
            Ok(())
        })
    }
}

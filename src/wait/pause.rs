//! [`PauseWait`]: waits for a fixed time.

use std::time::Duration;

use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};

/// A wait for a fixed time during which the container runs; made by [`WaitFor::duration`].
///
/// If a restart policy starts the container again, the time begins anew.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct PauseWait(Duration);

impl PauseWait {
    pub(super) fn new(duration: Duration) -> Self {
        PauseWait(duration)
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl WaitStrategy for PauseWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("duration {:?}", self.0))
    }

    fn describe(&self) -> String {
        format!("{:?} to pass", self.0)
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let mut run = target.details().started;
            loop {
                tokio::time::sleep(self.0).await;
                let found = target.client().inspect_container(target.id()).await?;
                let runs = found.state.running;
                if runs && found.started == run {
                    return Ok(());
                }
                let code = found.state.exit_code;
                let goes_on = runs || (target.is_restarted() && target.runs_again().await?);
                if !goes_on {
                    return Err(target.ended(Some(code)));
                }
                run = if runs { found.started } else { target.details().started };
            }
        })
    }
}

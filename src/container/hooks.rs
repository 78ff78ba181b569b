//! The steps after a start: hooks, waits, hooks.

use std::time::{Duration, Instant};

use super::Container;
use super::builder::Hook;
use crate::error::{Error, ErrorKind, Result};

impl Container {
    /// Runs the builder's hooks and waits, after a start.
    pub(super) async fn up(&self, limit: Duration, restarted: bool) -> Result<()> {
        let began = Instant::now();
        let left = || limit.saturating_sub(began.elapsed());
        self.run_hooks(&self.hooks().started, "hook after the start", left()).await?;
        self.ready(left(), restarted).await?;
        self.run_hooks(&self.hooks().ready, "hook after being ready", left()).await
    }

    async fn run_hooks(&self, hooks: &[Hook], step: &'static str, limit: Duration) -> Result<()> {
        if hooks.is_empty() {
            return Ok(());
        }
        let running = async {
            for hook in hooks {
                hook(self.clone()).await?;
            }
            Ok(())
        };
        let outcome = tokio::time::timeout(limit, running).await.unwrap_or_else(|_| {
            let message = format!("the {step} did not come to an end within {limit:?}");
            Err(Error::new(ErrorKind::Timeout, message))
        });
        outcome.map_err(|error| error.at(step))
    }
}

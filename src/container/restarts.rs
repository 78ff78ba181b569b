//! Containers that their restart policy starts again: each run has its own ports.

use std::sync::{PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::StreamExt;

use super::Container;
use super::learn::learn;
use crate::engine::{Client, ContainerDetails};
use crate::error::Result;
use crate::reaper::Worker;
use crate::spec::RestartPolicy;

/// Pause before a broken event stream is opened again.
const PAUSE: Duration = Duration::from_millis(500);

impl Container {
    /// Updates the ports whenever the engine reports a start of the container, as long as a handle
    /// exists. Runs on the teardown thread, which outlives every runtime.
    pub(super) fn follow_restarts(&self) {
        let known = self.known();
        if self.spec().restart == RestartPolicy::No && known.restart == RestartPolicy::No {
            return;
        }
        let Ok(worker) = Worker::start() else { return };
        let (engine, id) = (self.client().clone(), self.id().to_owned());
        let details = self.weakly_known();
        worker.submit(async move {
            let mut since = known.started.unwrap_or_default();
            while follow(&engine, &id, &details, &mut since).await {
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Updates the ports to those of the current run.
    pub(super) async fn relearn_restarted(&self) -> Result<()> {
        if self.known().restart == RestartPolicy::No {
            return Ok(());
        }
        let details = learn(self.client(), self.id(), self.spec()).await;
        self.relearn(details.map_err(|error| error.at("inspect"))?);
        Ok(())
    }
}

/// Follows the events of starts; returns whether to continue after the stream broke.
async fn follow(
    engine: &Client,
    id: &str,
    details: &Weak<RwLock<ContainerDetails>>,
    since: &mut (i64, u32),
) -> bool {
    let mut runs = engine.run_events(id, *since);
    while let Some(Ok(gone)) = runs.next().await {
        if gone || details.strong_count() == 0 {
            return false;
        }
        let Ok(found) = engine.inspect_container(id).await else { continue };
        let Some(details) = details.upgrade() else { return false };
        let mut known = details.write().unwrap_or_else(PoisonError::into_inner);
        // An answer from before a later run, which another caller knows already, is outdated.
        if found.started >= known.started {
            *since = found.started.unwrap_or(*since);
            *known = found;
        }
    }
    details.strong_count() > 0
}

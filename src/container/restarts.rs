//! A container that its restart policy starts again: each run has ports of its own.

use std::sync::{PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::StreamExt;

use super::Container;
use super::learn::learn;
use crate::engine::{ContainerDetails, Engine};
use crate::error::Result;
use crate::reaper::Worker;
use crate::spec::RestartPolicy;

/// How long to wait before an event stream that broke is opened again.
const PAUSE: Duration = Duration::from_millis(500);

impl Container {
    /// Learns the ports again whenever the engine tells that the container was started, as long as
    /// there is a handle. On the teardown thread, which outlives every runtime.
    pub(super) fn follow_restarts(&self) {
        let known = self.known();
        if self.spec().restart == RestartPolicy::No && known.restart == RestartPolicy::No {
            return;
        }
        let Ok(worker) = Worker::start() else { return };
        let (engine, id) = (self.engine().clone(), self.id().to_owned());
        let details = self.weakly_known();
        worker.submit(async move {
            let mut since = known.started.unwrap_or_default();
            while follow(&engine, &id, &details, &mut since).await {
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Learns the ports of the run that goes on now.
    pub(super) async fn relearn_restarted(&self) -> Result<()> {
        if self.known().restart == RestartPolicy::No {
            return Ok(());
        }
        let details = learn(self.engine(), self.id(), self.spec()).await;
        self.relearn(details.map_err(|error| error.at("inspect"))?);
        Ok(())
    }
}

/// Whether to go on when the stream has broken.
async fn follow(
    engine: &Engine,
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
        // What was asked before somebody else learned of a later run is of no use.
        if found.started >= known.started {
            *since = found.started.unwrap_or(*since);
            *known = found;
        }
    }
    details.strong_count() > 0
}

//! The sweep before the first resource of a process, and the start of the guardian.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::leftovers::Leftovers;
use super::owner::Owner;
use super::sweep::look_again;
use super::worker::Worker;
use crate::engine::Client;

/// Limit for the time that a start waits for the lists of an engine.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Sweeps what dead sessions left on the engine, unless this process has done so, and starts the
/// guardian if none is running. Returns whether one is running.
pub(super) async fn ensure_guardian(owner: &Arc<Owner>, engine: &Client) -> bool {
    if !engine.config().reaper {
        return false;
    }
    owner.swept().get_or_init(|| sweep(engine)).await;
    owner.ensure_guardian(engine).await
}

/// Waits for a short time until it is known what is to be removed. The removals then count as under
/// way, so a start waits for one that is in its way.
async fn sweep(engine: &Client) {
    let Ok(worker) = Worker::start() else { return };
    let (looking, known) = oneshot::channel();
    worker.submit(look_and_remove(engine.clone(), looking));
    // An error means the same: the other end is dropped when nothing more is waited for.
    let _ = known.await;
}

/// Closes the channel when it is known what is to be removed, or when that takes too long.
async fn look_and_remove(engine: Client, looking: oneshot::Sender<()>) {
    let looked_at = engine.clone();
    let mut look = std::pin::pin!(Leftovers::look(&looked_at));
    let (found, looking) = match tokio::time::timeout(LOOK_LIMIT, look.as_mut()).await {
        Ok(found) => (found, Some(looking)),
        Err(_) => {
            tracing::warn!("the engine takes long to list: the sweep goes on in the background");
            drop(looking);
            (look.await, None)
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(?error, "what dead sessions left is not swept");
            return;
        }
    };
    let mut again = found.is_to_be_looked_at_again();
    let worker = Worker::current().filter(|_| !found.is_empty());
    let removal = worker.map(|worker| {
        worker.remove(engine.endpoint(), async move {
            let swept = found.remove().await?;
            tracing::info!(?swept, "what dead sessions left is removed");
            Ok(())
        })
    });
    drop(looking);
    if let Some(removal) = removal
        && let Ok(Err(error)) = removal.await
    {
        tracing::warn!(?error, "not all that dead sessions left is removed");
        again = true;
    }
    if again {
        look_again(engine).await;
    }
}

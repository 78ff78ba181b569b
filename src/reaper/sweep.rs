//! The sweep: the removal of resources of sessions of this host that were killed together with
//! their guardian.

use std::time::{Duration, Instant};

use super::leftovers::Leftovers;
use super::session_lock;
use super::sweep_report::SweepReport;
use super::worker::Worker;
use crate::engine::Client;
use crate::error::Result;

/// The first pause between searches, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sweeps now, and searches again in the background if more may appear.
///
/// # Cancel safety
/// A removal that has begun goes on when the future is dropped.
pub(crate) async fn sweep_now(engine: &Client) -> Result<SweepReport> {
    Worker::start()?.run(now(engine.clone())).await?
}

async fn now(engine: Client) -> Result<SweepReport> {
    let found = Leftovers::look(&engine).await?;
    let again = found.is_to_be_looked_at_again();
    let swept = found.remove().await;
    if let (true, Some(worker)) = (again, Worker::current()) {
        worker.submit(look_again(engine));
    }
    swept
}

/// Searches for what the engine creates late for calls of dead sessions, for what another sweep has
/// begun with and not finished, and for what could not be removed, until nothing of these is left
/// or [`session_lock::FRESH`] has passed. An engine can't report new resources by label without all
/// its other events, so this polls, less and less often.
pub(super) async fn look_again(engine: Client) {
    let mut pause = FIRST_PAUSE;
    let began = Instant::now();
    while began.elapsed() < session_lock::FRESH {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // An engine that is away may be back at the next search.
        let Ok(found) = Leftovers::look(&engine).await else { continue };
        let mut again = found.is_to_be_looked_at_again();
        if let Err(error) = found.remove().await {
            tracing::warn!(?error, "not all that dead sessions left is removed");
            again = true;
        }
        if !again {
            return;
        }
    }
}

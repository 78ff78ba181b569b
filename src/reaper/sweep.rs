//! The sweep: the removal of what sessions of this host left that were killed together with their
//! guardian.

use std::time::{Duration, Instant};

use super::leftovers::Leftovers;
use super::session_lock;
use super::sweep_report::SweepReport;
use super::worker::Worker;
use crate::engine::Client;
use crate::error::Result;

/// How long it is to the second look, and at most from each to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sweeps now, and looks again in the background where something may come yet.
///
/// # Cancel safety
/// What was begun goes on when the future is dropped.
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

/// Looks for what the engine makes late of calls that the dead have sent, for what another sweep
/// has begun with and not ended, and for what could not be removed: until nothing of these is left,
/// or this process ends. An engine tells of nothing that is made from whose labels one could hear
/// without listening to everything, so this asks, less and less often.
pub(super) async fn look_again(engine: Client) {
    let mut pause = FIRST_PAUSE;
    let began = Instant::now();
    while began.elapsed() < session_lock::FRESH {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // An engine that is away may be back at the next look.
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

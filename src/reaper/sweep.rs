//! The sweep: the removal of what sessions of this host left that were killed together with their
//! guardian.

use std::time::{Duration, Instant};

use super::kept::remove_kept;
use super::leftovers::Leftovers;
use super::session_lock;
use super::sweep_report::SweepReport;
use super::worker::Worker;
use crate::engine::Engine;
use crate::error::Result;

/// How long it is to the second look, and at most from each to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Removes what dead sessions of this host left on the engine that [`Engine::connect`] gives: see
/// [`Engine::sweep`].
///
/// # Errors
/// As for [`Engine::connect`] and [`Engine::sweep`].
///
/// # Cancel safety
/// What was begun goes on when the future is dropped.
pub async fn sweep() -> Result<SweepReport> {
    Engine::connect().await?.sweep().await
}

impl Engine {
    /// Removes what dead sessions of this host left here. Every process does so by itself before
    /// its first resource; a program that runs for long may want it now and then.
    ///
    /// A session is dead when neither its process nor its guardian holds its lock (flock(2)).
    /// What another host, a living process, or a user of something shared has is not touched, nor
    /// what was kept. Nothing is asked of the engine when no session left anything.
    ///
    /// # Errors
    /// When the state directory can't be used, or the engine can't be asked or does not remove.
    ///
    /// # Cancel safety
    /// What was begun goes on when the future is dropped.
    pub async fn sweep(&self) -> Result<SweepReport> {
        Worker::start()?.run(now(self.clone())).await?
    }

    /// Removes what was kept on this host: by `keep()`, and by `CASTOFF_KEEP`.
    ///
    /// That is everything with castoff's labels whose process is gone, what living processes of
    /// this host say that they have kept, and shared resources that were kept and are in nobody's
    /// use.
    ///
    /// # Errors
    /// When the state directory can't be used, or the engine can't be asked or does not remove.
    ///
    /// # Cancel safety
    /// What was begun goes on when the future is dropped.
    pub async fn remove_kept(&self) -> Result<SweepReport> {
        Worker::start()?.run(remove_kept(self.clone())).await?
    }
}

/// Sweeps now, and looks again in the background where something may come yet.
async fn now(engine: Engine) -> Result<SweepReport> {
    let found = Leftovers::look(&engine).await?;
    let again = found.is_to_be_looked_at_again();
    let swept = found.remove().await;
    if let (true, Some(worker)) = (again, Worker::current()) {
        worker.submit(look_again(engine));
    }
    swept
}

/// Looks for what the engine makes late of calls that the dead have sent, for what another sweep has
/// begun with and not ended, and for what could not be removed: until nothing of these is left, or
/// this process ends. An engine tells of nothing that is made from whose labels one could
/// hear without listening to everything, so this asks, less and less often.
pub(super) async fn look_again(engine: Engine) {
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

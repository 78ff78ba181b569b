//! The work before the end of a process that ends by itself.

use std::pin::pin;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::sync::watch;

use super::guardian::{self, Guardian};
use super::worker::Worker;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::PerProcess;

/// Limit for the wait for removals at the end of a process. Podman 5 takes ten seconds to remove a
/// container whose process ignores SIGTERM.
const LIMIT: Duration = Duration::from_secs(30);
const OWN_LIMIT: Duration = Duration::from_secs(15);
/// The part of it for builds to be given up: they run on the program's own threads, which may be
/// busy with this very end.
const BUILD_LIMIT: Duration = Duration::from_secs(2);

/// The work of this process before it ends. A forked child inherits the handlers, but has only what
/// it asks for itself.
static ENDING: PerProcess<Ending> = PerProcess::new();

#[derive(Default)]
struct Ending {
    /// The function to call when the process ends with success.
    on_success: OnceLock<fn()>,
    /// The function that tells the guardians which may end with the process to act now, and returns
    /// them.
    act_now: OnceLock<fn() -> Vec<Guardian>>,
    /// Whether the end waits for removals now. Other threads still run, and what they create once
    /// the guardian has listed would stay.
    has_begun: watch::Sender<bool>,
    creates: watch::Sender<usize>,
    builds: watch::Sender<usize>,
}

/// A creation or build that the end of the process waits for.
#[derive(Debug)]
pub(super) struct UnderWay(&'static watch::Sender<usize>);

impl UnderWay {
    fn count(all: &'static watch::Sender<usize>) -> UnderWay {
        all.send_modify(|count| *count += 1);
        UnderWay(all)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Registers a creation, unless the process ends.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the end has begun, after [`LIMIT`]: a program that tries again at
/// once must not keep the machine busy meanwhile.
pub(super) async fn creates() -> Result<UnderWay> {
    let ending = ENDING.here();
    // Counted before the check: the end begins first, and then reads the count.
    let counted = UnderWay::count(&ending.creates);
    if !*ending.has_begun.borrow() {
        return Ok(counted);
    }
    drop(counted);
    tokio::time::sleep(LIMIT).await;
    Err(refused())
}

/// Awaits a share in a resource, unless the process ends.
pub(super) async fn shares<T>(sharing: impl Future<Output = Result<T>>) -> Result<T> {
    let _counted = creates().await?;
    until_it_begins(sharing).await?
}

/// Runs a build, and gives it up when the process ends.
pub(crate) async fn builds<T>(build: impl Future<Output = Result<T>>) -> Result<T> {
    let ending = ENDING.here();
    let _counted = UnderWay::count(&ending.builds);
    until_it_begins(build).await?
}

async fn until_it_begins<T>(work: impl Future<Output = T>) -> Result<T> {
    let mut begun = ENDING.here().has_begun.subscribe();
    // Fails only when the sender is gone, and the sender is a static.
    let begins = pin!(begun.wait_for(|begun| *begun));
    match select(begins, Box::pin(work)).await {
        Either::Left(_) => Err(refused()),
        Either::Right((outcome, _)) => Ok(outcome),
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Conflict, "this process ends, and creates nothing any more")
}

/// Registers a function to call when the process ends with success.
pub(super) fn tell_of_success(on_success: fn()) {
    let _ = ENDING.here().on_success.set(on_success);
    guardian::at_exit(ended);
}

/// Makes the end of this process wait until its resources are removed, as its guardian may not
/// outlive it and is told by `act_now` to remove them. Applies to a return from `main` and to
/// `process::exit`; a signal leaves no time for it.
pub(super) fn finish_before_it(act_now: fn() -> Vec<Guardian>) {
    let _ = ENDING.here().act_now.set(act_now);
    guardian::at_exit(ended);
}

fn ended(success: bool) {
    let ending = ENDING.here();
    if let (true, Some(tell)) = (success, ending.on_success.get()) {
        tell();
    }
    if let Some(act_now) = ending.act_now.get() {
        finish(*act_now);
    }
}

/// Refuses new creations, waits for calls and removals under way, and then for the guardians, which
/// remove the rest.
fn finish(act_now: fn() -> Vec<Guardian>) {
    let Some(worker) = Worker::current().filter(|_| !Worker::is_here()) else { return };
    let end = Instant::now() + LIMIT;
    let ending = ENDING.here();
    ending.has_begun.send_replace(true);
    let (done, settled) = mpsc::channel();
    worker.submit(async move {
        let none = |all: &watch::Sender<usize>| {
            let mut all = all.subscribe();
            async move { all.wait_for(|count| *count == 0).await.map(drop) }
        };
        let _ = tokio::time::timeout(BUILD_LIMIT, none(&ending.builds)).await;
        let _ = none(&ending.creates).await;
        worker.all_settled().await;
        let _ = done.send(());
    });
    // The guardian does what takes longer.
    let _ = settled.recv_timeout(OWN_LIMIT);
    let guardians = act_now();
    for guardian in &guardians {
        if !guardian.has_ended_by(end) {
            tracing::warn!("the process ends, and not all that it had is removed");
        }
    }
}

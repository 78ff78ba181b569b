//! The end of a process: what is said and done before it, where it ends by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::worker::Worker;
use super::{guardian, keeping, watch_over};
use crate::forks::PerProcess;

/// How long the end of a process waits for removals, and how much of that for its own. Podman 5 takes
/// ten seconds to remove a container whose process ignores SIGTERM.
const LIMIT: Duration = Duration::from_secs(30);
const OWN_LIMIT: Duration = Duration::from_secs(15);

/// What this process does before it ends. A forked child has the same handlers, and nothing to end
/// but what it asks for itself.
static ENDING: PerProcess<Ending> = PerProcess::new();

#[derive(Default)]
struct Ending {
    tells: AtomicBool,
    finishes: AtomicBool,
}

/// From now on, tells the guardian when the process ends with success.
pub(super) fn tell_if_all_is_well() {
    ENDING.here().tells.store(true, Ordering::SeqCst);
    guardian::at_exit(ended);
}

/// From now on, an end of this process waits until what it has is removed: its guardian may not
/// outlive it. That is a return from `main` and `process::exit`; a signal leaves no time for it.
pub(super) fn finish_before_it() {
    ENDING.here().finishes.store(true, Ordering::SeqCst);
    guardian::at_exit(ended);
}

fn ended(success: bool) {
    let ending = ENDING.here();
    if ending.tells.load(Ordering::SeqCst) && success {
        keeping::process_succeeds();
    }
    if ending.finishes.load(Ordering::SeqCst) {
        finish();
    }
}

/// Waits for removals that are under way, and then for the guardian, which removes the rest.
fn finish() {
    let Some(worker) = Worker::current().filter(|_| !Worker::is_here()) else { return };
    let end = Instant::now() + LIMIT;
    let (done, settled) = mpsc::channel();
    worker.submit(async move {
        worker.all_settled().await;
        let _ = done.send(());
    });
    // What takes longer is the guardian's as well.
    let _ = settled.recv_timeout(OWN_LIMIT);
    let guardians = watch_over::act_now();
    for guardian in &guardians {
        if !guardian.has_ended_by(end) {
            tracing::warn!("the process ends, and not all that it had is removed");
        }
    }
}

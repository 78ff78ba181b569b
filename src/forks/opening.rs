//! [`Opening`]: a section of code that no fork interrupts.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The number of threads in a section, or [`FORKING`].
static SECTIONS: AtomicI32 = AtomicI32::new(0);
const FORKING: i32 = -1;

/// Limit for a fork and a section to wait for each other. A section makes two or three system
/// calls; a fork from a signal handler that interrupts one proceeds after this time.
const LIMIT: Duration = Duration::from_millis(200);

/// A short section that a fork in another thread waits for: between opening a descriptor and adding
/// it to the table, for example. Code in it must not block.
#[derive(Debug)]
pub(crate) struct Opening(bool);

impl Opening {
    pub(crate) fn enter() -> Opening {
        Opening(within_limit(|| {
            let now = SECTIONS.load(Ordering::SeqCst);
            now >= 0 && change(now, now.saturating_add(1))
        }))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.0 {
            SECTIONS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Waits before a fork until no thread is in a section, and keeps others from entering one.
pub(crate) fn before_fork() {
    within_limit(|| change(0, FORKING));
}

/// Allows sections again after a fork, in parent or child. A child has no other threads, so no
/// section is open there.
pub(crate) fn after_fork(in_child: bool) {
    if in_child {
        SECTIONS.store(0, Ordering::SeqCst);
    } else {
        change(FORKING, 0);
    }
}

fn change(from: i32, to: i32) -> bool {
    SECTIONS.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// Repeats `attempt` until it succeeds or the limit has passed; returns whether it succeeded.
fn within_limit(attempt: impl Fn() -> bool) -> bool {
    if attempt() {
        return true;
    }
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        std::thread::yield_now();
        if attempt() {
            return true;
        }
    }
    false
}

//! [`Opening`]: what no fork is to happen in the middle of.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How many threads are in such a section, or [`FORKING`].
static SECTIONS: AtomicI32 = AtomicI32::new(0);
const FORKING: i32 = -1;

/// How long a fork and a section wait for one another. A section makes two or three system calls;
/// whoever forks in a signal handler in the middle of one goes on without.
const LIMIT: Duration = Duration::from_millis(200);

/// A short section that a fork in another thread waits for: between a descriptor's opening and its
/// entry into the table, for example. Nothing in it may wait.
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

/// Before a fork: waits for those who are in a section, and lets nobody begin one.
pub(crate) fn before_fork() {
    within_limit(|| change(0, FORKING));
}

/// After a fork, in parent or child. A child has no other thread that could be in a section.
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

/// Whether it came true.
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

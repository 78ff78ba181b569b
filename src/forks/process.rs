//! [`Process`]: the identity of a process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The number of forks between the first process that used castoff and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The identity of a process, distinct from that of its ancestors. The process id alone may be
/// reused, and a child created by the bare system call `clone` does not run the handlers that count
/// forks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    forks: u64,
}

impl Process {
    /// Returns the current process.
    pub(crate) fn current() -> Process {
        Process { id: std::process::id(), forks: FORKS.load(Ordering::SeqCst) }
    }

    /// Returns whether this is the current process.
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// Refuses values that belong to a process that this one was forked from.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] in another process.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        let message = format!(
            "the handle belongs to process {}, which process {} was forked from",
            self.id,
            std::process::id()
        );
        Err(Error::new(ErrorKind::Conflict, message).with_hint(
            "let the child have its address before the fork, or start one of its own there",
        ))
    }
}

/// Counts a fork, in the child: values of its parent belong to another process from now on.
pub(crate) fn count_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

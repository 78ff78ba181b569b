//! [`Process`]: which process this is.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// How many forks lie between the first process that used castoff and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// A process, told from those that it was forked from. A process id alone may come again; and a
/// child that the bare system call `clone` made does not run the handlers that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    forks: u64,
}

impl Process {
    /// The process that this runs in.
    pub(crate) fn current() -> Process {
        Process { id: std::process::id(), forks: FORKS.load(Ordering::SeqCst) }
    }

    /// Whether this runs in that process.
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// Refuses what belongs to a process that this one was forked from.
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

/// In a forked child: what was of its parent is another process's from now on.
pub(crate) fn count_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

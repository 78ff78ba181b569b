//! [`ResourceLock`]: a lock of one resource and key, for all who share the resource.

use rustix::fs::FlockOperation;

use super::guard::Guard;
use super::lease_file::beside;
use super::on_thread::on_thread;
use super::setup_lock::file_name;
use crate::error::Result;
use crate::forks::UnsharedFd;

/// A lock of one resource and key. It is released when it is dropped and when the process ends.
#[derive(Debug)]
pub(crate) struct ResourceLock {
    /// Closing it releases the lock (flock(2)).
    _file: UnsharedFd,
}

impl ResourceLock {
    /// Takes the lock; returns `None` if another thread or process holds it.
    pub(crate) async fn try_take(guard: &Guard, key: &str) -> Result<Option<ResourceLock>> {
        guard.check()?;
        let config = guard.engine().config().clone();
        let name = file_name(guard, &("lock", key));
        let taking = move || beside(&config, &name, FlockOperation::NonBlockingLockExclusive);
        let file = on_thread(taking).await.map_err(|error| error.at("lock"))?;
        Ok(file.map(|file| ResourceLock { _file: file }))
    }
}

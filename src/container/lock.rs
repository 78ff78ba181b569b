//! [`ContainerLock`]: something of a container's that one user has at a time.

use std::fmt;

use super::Container;
use crate::error::Result;
use crate::reaper::ResourceLock;

/// A lock of a container and a key, which [`Container::try_lock`] took. Dropping it gives the lock
/// back; so does the kernel when the process ends, in whatever way (flock(2)).
///
/// It does not keep the container alive.
#[must_use = "the lock is given back when this is dropped"]
pub struct ContainerLock {
    key: String,
    _lock: ResourceLock,
}

impl fmt::Debug for ContainerLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerLock").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Container {
    /// Takes a lock that belongs to this container and a key, unless somebody holds it: another
    /// thread, or another process that [shares](super::ContainerBuilder::shared) the container.
    ///
    /// It tells whether somebody who made something in a shared service still lives, and who of
    /// several may use a part of it, without asking the service: its connections may be ended by
    /// a test, or lost in a restart, while their process goes on.
    ///
    /// ```no_run
    /// # async fn run(broker: castoff::Container) -> castoff::Result<()> {
    /// for number in 1..16 {
    ///     if let Some(lock) = broker.try_lock(format!("tenant {number}")).await? {
    ///         println!("tenant {number} is ours as long as {lock:?} lives");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the state directory can't be used.
    ///
    /// # Cancel safety
    /// A lock that was taken is given back.
    pub async fn try_lock(&self, key: impl AsRef<str>) -> Result<Option<ContainerLock>> {
        let key = key.as_ref();
        let lock = ResourceLock::try_take(self.guard(), key).await?;
        Ok(lock.map(|lock| ContainerLock { key: key.to_owned(), _lock: lock }))
    }
}

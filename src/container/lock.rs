//! [`ContainerLock`]: exclusive use of a part of a container.

use std::fmt;

use super::Container;
use crate::error::Result;
use crate::reaper::ResourceLock;

/// A lock of a container and a key, taken by [`Container::try_lock`]. Dropping it releases the
/// lock; so does the kernel when the process ends, by whatever means (flock(2)).
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
    /// Takes the lock of this container and a key, unless it is held by another thread, or by
    /// another process that [shares](super::ContainerBuilder::shared) the container.
    ///
    /// The lock shows whether the creator of something in a shared service still lives, and assigns
    /// a part of the service to one of several users, without a request to the service: a test may
    /// end the service's connections, or a restart lose them, while the process goes on.
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
    /// If the future is dropped, a lock that it took is released.
    pub async fn try_lock(&self, key: impl AsRef<str>) -> Result<Option<ContainerLock>> {
        let key = key.as_ref();
        let lock = ResourceLock::try_take(self.guard(), key).await?;
        Ok(lock.map(|lock| ContainerLock { key: key.to_owned(), _lock: lock }))
    }
}

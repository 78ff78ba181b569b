//! [`Liveness`]: shows other processes whether the creator of a resource on a server still lives.

use castoff::{Container, ContainerLock, Error, Result};
use tokio::sync::OnceCell;

use crate::unique::token;

/// This process as the creator of resources on one server. Their names contain its token, and a
/// lock of the container stands for it. Sessions on the server can't: a test may end them while the
/// process continues.
pub(crate) struct Liveness {
    token: String,
    lock: OnceCell<ContainerLock>,
}

impl Liveness {
    pub(crate) fn new() -> Liveness {
        Liveness { token: token(), lock: OnceCell::new() }
    }

    /// Returns the part of names that identifies the creator.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Takes the lock on the first call, which must come before any resource with the token is
    /// created.
    pub(crate) async fn hold(&self, container: &Container) -> Result<()> {
        let take = async || {
            let lock = container.try_lock(key(&self.token)).await?;
            lock.ok_or_else(|| Error::other(format!("two processes have the token {}", self.token)))
        };
        self.lock.get_or_try_init(take).await.map(drop)
    }

    /// Takes the lock of another creator if that process is dead.
    pub(crate) async fn of_the_dead(
        &self,
        container: &Container,
        token: &str,
    ) -> Result<Option<ContainerLock>> {
        if token == self.token { Ok(None) } else { container.try_lock(key(token)).await }
    }
}

fn key(token: &str) -> String {
    format!("castoff maker {token}")
}

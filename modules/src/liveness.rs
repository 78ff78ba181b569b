//! [`Liveness`]: by which others know whether the maker of something on a server still lives.

use castoff::{Container, ContainerLock, Error, Result};
use tokio::sync::OnceCell;

use crate::unique::token;

/// This process as the maker of things on one server. Their names hold its token, and a lock of the
/// container stands for it. Sessions on the server can't: a test may end them, and the process goes
/// on.
pub(crate) struct Liveness {
    token: String,
    lock: OnceCell<ContainerLock>,
}

impl Liveness {
    pub(crate) fn new() -> Liveness {
        Liveness { token: token(), lock: OnceCell::new() }
    }

    /// The part of names by which others find the maker.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Takes the lock, the first time. To be called before anything with the token is made.
    pub(crate) async fn hold(&self, container: &Container) -> Result<()> {
        let take = async || {
            let lock = container.try_lock(key(&self.token)).await?;
            lock.ok_or_else(|| Error::other(format!("two processes have the token {}", self.token)))
        };
        self.lock.get_or_try_init(take).await.map(drop)
    }

    /// Takes the lock of another maker, if that one is dead.
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

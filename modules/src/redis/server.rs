//! [`RedisServer`]: one that runs.

use std::fmt;
use std::net::SocketAddr;

use castoff::{Container, Result};

use super::PORT;
use crate::url::encode;

/// A Redis server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct RedisServer {
    container: Container,
    addr: SocketAddr,
    password: Option<String>,
}

impl RedisServer {
    pub(super) fn new(container: Container, password: Option<String>) -> Result<Self> {
        let addr = container.addr(PORT)?;
        Ok(RedisServer { container, addr, password })
    }

    /// The URL for a client on this machine: `redis://127.0.0.1:49153`, or
    /// `redis://:password@127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.password(), self.addr())
    }

    /// Where it is reached from here. Another after a restart; while it is stopped, the last one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.container.addr(PORT).unwrap_or(self.addr)
    }

    /// The password of the default user, if it has one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The container: exec, logs, stop and start.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The container alone, to [`keep`](Container::keep) or [`remove`](Container::remove).
    pub fn into_container(self) -> Container {
        self.container
    }
}

fn url(password: Option<&str>, addr: SocketAddr) -> String {
    match password {
        Some(password) => format!("redis://:{}@{addr}", encode(password)),
        None => format!("redis://{addr}"),
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("container", &self.container)
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_password_encoded_if_there_is_one() {
        let addr: SocketAddr = ([127, 0, 0, 1], 6379).into();
        assert_eq!(url(None, addr), "redis://127.0.0.1:6379");
        assert_eq!(url(Some("p@ss/1"), addr), "redis://:p%40ss%2F1@127.0.0.1:6379");
    }
}

//! [`RedisServer`]: one that runs.

use std::fmt::Display;

use castoff::{Container, Result};

use super::PORT;
use crate::shape::{Service, server};
use crate::url::encode;

/// A Redis server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct RedisServer {
    service: Service,
    password: Option<String>,
}

server!(RedisServer);

impl RedisServer {
    pub(super) fn new(container: Container, password: Option<String>) -> Result<Self> {
        Ok(RedisServer { service: Service::new(container, PORT)?, password })
    }

    /// The URL for a client on this machine: `redis://127.0.0.1:49153`, or
    /// `redis://:password@127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.password(), self.addr())
    }

    /// The URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(self.password(), self.network_addr())
    }

    /// The password of the default user, if it has one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }
}

fn url(password: Option<&str>, addr: impl Display) -> String {
    match password {
        Some(password) => format!("redis://:{}@{addr}", encode(password)),
        None => format!("redis://{addr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_password_encoded_if_there_is_one() {
        assert_eq!(url(None, "127.0.0.1:6379"), "redis://127.0.0.1:6379");
        assert_eq!(url(Some("p@ss/1"), "cache:6379"), "redis://:p%40ss%2F1@cache:6379");
    }
}

//! [`PostgresServer`]: one that runs.

use std::fmt;
use std::net::SocketAddr;

use castoff::{Container, Result};

use super::PORT;
use crate::url::encode;

/// A PostgreSQL server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct PostgresServer {
    container: Container,
    addr: SocketAddr,
    user: String,
    password: String,
    database: String,
}

impl PostgresServer {
    pub(super) fn new(
        container: Container,
        user: String,
        password: String,
        database: String,
    ) -> Result<Self> {
        let addr = container.addr(PORT)?;
        Ok(PostgresServer { container, addr, user, password, database })
    }

    /// The URL of the database, for a client on this machine:
    /// `postgres://user:password@127.0.0.1:49153/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(&self.database)
    }

    /// The URL of another database of this server.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        url(&self.user, &self.password, self.addr(), database)
    }

    /// Where it is reached from here. Another after a restart; while it is stopped, the last one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.container.addr(PORT).unwrap_or(self.addr)
    }

    /// The superuser's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The database that was created with the server.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
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

fn url(user: &str, password: &str, addr: SocketAddr, database: &str) -> String {
    format!("postgres://{}:{}@{addr}/{}", encode(user), encode(password), encode(database))
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresServer")
            .field("container", &self.container)
            .field("addr", &self.addr())
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let addr: SocketAddr = ([127, 0, 0, 1], 5432).into();
        assert_eq!(
            url("a@b", "p/w:d", addr, "my db"),
            "postgres://a%40b:p%2Fw%3Ad@127.0.0.1:5432/my%20db"
        );
        let addr = "[::1]:5432".parse().unwrap();
        assert_eq!(url("u", "p", addr, "d"), "postgres://u:p@[::1]:5432/d");
    }
}

//! [`PostgresServer`]: the handle to a running server.

use std::fmt::Display;
use std::sync::Arc;

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
use crate::shape::{Service, server};
use crate::url::encode;

/// A PostgreSQL server, removed with its data when this handle and those of its databases are
/// dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct PostgresServer {
    service: Service,
    admin: Arc<Admin>,
    #[cfg(feature = "tls")]
    ca: Option<String>,
}

/// The data that a client needs, besides the address.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
}

server!(PostgresServer);

impl PostgresServer {
    pub(super) fn new(
        container: Container,
        parts: Parts,
        #[cfg(feature = "tls")] ca: Option<String>,
    ) -> Result<Self> {
        let admin = Admin::of(&container, &parts)?;
        let service = Service::new(container, PORT)?;
        Ok(PostgresServer {
            service,
            admin,
            #[cfg(feature = "tls")]
            ca,
        })
    }

    /// Returns the URL of the default database, for a client on this machine:
    /// `postgres://user:password@127.0.0.1:49153/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(self.database_name())
    }

    /// Returns the URL of another database of this server.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        url(&self.admin.parts, self.addr(), database)
    }

    /// Returns the URL of the default database, for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.network_url_for(self.database_name())
    }

    /// Returns the URL of another database of this server, for a client in a network that it is in.
    #[must_use]
    pub fn network_url_for(&self, database: &str) -> String {
        url(&self.admin.parts, self.network_addr(), database)
    }

    /// Returns the superuser's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.admin.parts.user
    }

    /// Returns the superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.admin.parts.password
    }

    /// Returns the name of the default database, which was created with the server. For one of your
    /// own, see [`database`](Self::database).
    #[must_use]
    pub fn database_name(&self) -> &str {
        &self.admin.parts.database
    }

    /// The certificate, in PEM, of the authority that signed the server's; where it was made
    /// [`with_tls`](super::Postgres::with_tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Runs `psql` with this text in the container, on the default database: SQL, and its own
    /// commands such as `\dt`. Returns its output, rows only and without alignment.
    ///
    /// # Errors
    /// Fails with the output of `psql` if a statement fails. Statements before it have had their
    /// effect.
    ///
    /// # Cancel safety
    /// If the future is dropped, `psql` may continue.
    pub async fn psql(&self, text: impl AsRef<str>) -> Result<String> {
        let parts = &self.admin.parts;
        let command = ["psql", "-h", "127.0.0.1", "-U", &parts.user, "-d", &parts.database];
        let options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"];
        let out = self
            .container()
            .exec(command.into_iter().chain(options))
            .with_env("PGPASSWORD", &parts.password)
            .with_stdin(text.as_ref())
            .await?;
        if out.success() {
            return Ok(out.stdout_text().into_owned());
        }
        Err(Error::other(format!(
            "psql ended with code {}: {}",
            out.exit_code,
            out.stderr_text().trim()
        )))
    }

    pub(super) fn admin(&self) -> &Arc<Admin> {
        &self.admin
    }
}

pub(super) fn url(parts: &Parts, addr: impl Display, database: &str) -> String {
    let (user, password) = (encode(&parts.user), encode(&parts.password));
    format!("postgres://{user}:{password}@{addr}/{}", encode(database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let parts = |user: &str, password: &str| Parts {
            user: user.into(),
            password: password.into(),
            database: String::new(),
        };
        assert_eq!(
            url(&parts("a@b", "p/w:d"), "127.0.0.1:5432", "my db"),
            "postgres://a%40b:p%2Fw%3Ad@127.0.0.1:5432/my%20db"
        );
        assert_eq!(url(&parts("u", "p"), "[::1]:5432", "d"), "postgres://u:p@[::1]:5432/d");
    }
}

//! [`PostgresServer`]: the handle to a running server.

use std::sync::Arc;

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
use super::login::Login;
use crate::shape::{Service, server};

/// A PostgreSQL server, removed with its data when this handle and those of its databases are
/// dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct PostgresServer {
    service: Service,
    admin: Arc<Admin>,
    #[cfg(feature = "tls")]
    ca: Option<String>,
}

server!(PostgresServer);

impl PostgresServer {
    pub(super) fn new(
        container: Container,
        login: Login,
        #[cfg(feature = "tls")] ca: Option<String>,
    ) -> Result<Self> {
        let admin = Admin::of(&container, &login)?;
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
        self.admin.login.url(self.addr(), database)
    }

    /// Returns the URL of the default database, for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.network_url_for(self.database_name())
    }

    /// Returns the URL of another database of this server, for a client in a network that it is in.
    #[must_use]
    pub fn network_url_for(&self, database: &str) -> String {
        self.admin.login.url(self.network_addr(), database)
    }

    /// Returns the superuser's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.admin.login.user
    }

    /// Returns the superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.admin.login.password
    }

    /// Returns the name of the default database, which was created with the server. For one of your
    /// own, see [`database`](Self::database).
    #[must_use]
    pub fn database_name(&self) -> &str {
        &self.admin.login.database
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
        let login = &self.admin.login;
        let command = ["psql", "-h", "127.0.0.1", "-U", &login.user, "-d", &login.database];
        let options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"];
        let out = self
            .container()
            .exec(command.into_iter().chain(options))
            .with_env("PGPASSWORD", &login.password)
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

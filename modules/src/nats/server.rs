//! [`NatsServer`]: the handle to a running server.

use castoff::{Container, Error, ErrorKind, Result};

use super::access::Access;
use super::account::{Account, empty};
use super::config::{MAIN, Options};
use super::session::{Login, Session};
use super::{MONITORING_PORT, PORT};
use crate::shape::{Service, server};
use crate::unique::token;

/// A NATS server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct NatsServer {
    service: Service,
    access: Access,
    login: Login,
    pool: u32,
    monitoring: bool,
}

server!(NatsServer);

impl NatsServer {
    pub(super) async fn new(container: Container, options: Options) -> Result<Self> {
        let ca = authority(&container, &options).await?;
        Ok(NatsServer {
            service: Service::new(container, PORT)?,
            access: Access { ca },
            login: Login::of(&options),
            pool: options.pool(),
            monitoring: options.monitoring,
        })
    }

    /// Returns the URL for a client on this machine: `nats://127.0.0.1:49153`, with user and
    /// password or the token if there are any. With TLS it begins with `tls`.
    #[must_use]
    pub fn url(&self) -> String {
        self.access.url(&self.login, self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.access.url(&self.login, self.network_addr())
    }

    /// Returns the name of the first user, if there are users.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.login {
            Login::User(name, _) => Some(name),
            Login::Nobody | Login::Token(_) => None,
        }
    }

    /// Returns the password of the first user, if there are users.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        match &self.login {
            Login::User(_, password) => Some(password),
            Login::Nobody | Login::Token(_) => None,
        }
    }

    /// Returns the token, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match &self.login {
            Login::Token(token) => Some(token),
            Login::Nobody | Login::User(..) => None,
        }
    }

    /// Returns the certificate, in PEM, that a client must trust; `None` without TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.access.ca.as_deref()
    }

    /// Returns the URL of the monitoring interface, if it is enabled: `http://127.0.0.1:49154`; see
    /// `/varz`, `/jsz` and the like.
    #[must_use]
    pub fn monitoring_url(&self) -> Option<String> {
        let addr = self.container().addr(MONITORING_PORT).ok().filter(|_| self.monitoring)?;
        Some(format!("http://{addr}"))
    }

    /// Claims an account that nobody else has, in this process or another, with nothing in it. It
    /// takes a few requests to the server.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if all are in use, by default 256; [`ErrorKind::Unsupported`] if the
    /// server has none, because of a token or [`with_accounts`](super::Nats::with_accounts);
    /// [`ErrorKind::Io`] if it can't be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing stays claimed.
    pub async fn account(&self) -> Result<Account> {
        if self.pool == 0 {
            let message = "the server has no accounts for tests";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("use users instead of a token, and see `with_accounts`"));
        }
        Account::claim(self.container(), &self.access, self.pool).await
    }

    /// Returns a unique prefix for subjects: `7f3a90c1d2e4.`. For tests that must share an account.
    #[must_use]
    pub fn unique_prefix(&self) -> String {
        format!("{}.", token())
    }

    /// Deletes all streams, consumers and buckets of the common account; those of [`Account`]s
    /// stay.
    ///
    /// # Errors
    /// The server's error; [`ErrorKind::Unsupported`] with a token; [`ErrorKind::Io`] if it can't
    /// be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, it may or may not have been done.
    pub async fn delete_streams(&self) -> Result<()> {
        if self.token().is_some() {
            let message = "a server with a token has no system account to delete streams by";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let addr = self.container().addr(PORT)?;
        empty(&mut Session::open(addr, &Login::system()).await?, MAIN).await
    }
}

#[cfg(feature = "tls")]
async fn authority(container: &Container, options: &Options) -> Result<Option<String>> {
    if options.tls.is_none() {
        return Ok(None);
    }
    crate::tls::authority(container).await.map(Some)
}

#[cfg(not(feature = "tls"))]
async fn authority(_: &Container, _: &Options) -> Result<Option<String>> {
    Ok(None)
}

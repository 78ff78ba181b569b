//! [`RedisServer`] and [`ValkeyServer`]: the handles to running servers.

use castoff::{Container, Result};

use super::access::Access;
use super::database::Database;
use super::options::Options;
use crate::shape::{Service, server};
use crate::unique::token;

macro_rules! server_handle {
    ($server:ident, $name:literal) => {
        #[doc = concat!("A ", $name, " server, removed with its data when this handle is dropped.")]
        #[must_use = "the server is removed when its handle is dropped"]
        pub struct $server {
            service: Service,
            access: Access,
            port: u16,
        }

        server!($server);

        impl $server {
            pub(super) async fn new(container: Container, options: &Options) -> Result<Self> {
                let (port, password) = (options.port(), options.password.clone());
                let ca = authority(&container, options).await?;
                let service = Service::new(container, port)?;
                Ok($server { service, access: Access { password, ca }, port })
            }

            /// Returns the URL for a client on this machine: `redis://127.0.0.1:49153`, or
            /// `redis://:password@127.0.0.1:49153`. With TLS it begins with `rediss`.
            #[must_use]
            pub fn url(&self) -> String {
                self.access.url(self.addr())
            }

            /// Returns the [`url`](Self::url) for a user other than `default`.
            #[must_use]
            pub fn url_as(&self, user: &str, password: &str) -> String {
                self.access.url_as(user, password, self.addr())
            }

            /// Returns the URL for a client in a network that the server is in.
            #[must_use]
            pub fn network_url(&self) -> String {
                self.access.url(self.network_addr())
            }

            /// Returns the password of the user `default`, if it has one.
            #[must_use]
            pub fn password(&self) -> Option<&str> {
                self.access.password.as_deref()
            }

            /// Returns the certificate, in PEM, that a client must trust; `None` without TLS.
            #[cfg(feature = "tls")]
            #[must_use]
            pub fn ca_certificate(&self) -> Option<&str> {
                self.access.ca.as_deref()
            }

            /// Claims a logical database that nobody else has, in this process or another, empty at
            /// first. It takes a few commands, well under a millisecond each.
            ///
            /// Databases are given out from number 1 on; number 0 is for everybody.
            ///
            /// # Errors
            /// [`ErrorKind::Conflict`](castoff::ErrorKind::Conflict) if all are in use: one less
            /// than the setting `databases`, by default 1023.
            /// [`ErrorKind::Io`](castoff::ErrorKind::Io) if the server can't be reached.
            ///
            /// # Cancel safety
            /// If the future is dropped, nothing stays claimed.
            pub async fn database(&self) -> Result<Database> {
                Database::claim(self.container(), self.port, &self.access).await
            }

            /// Returns a unique prefix for keys and channels: `7f3a90c1d2e4:`. For data that must
            /// be in one database, and for publish and subscribe.
            #[must_use]
            pub fn unique_prefix(&self) -> String {
                format!("{}:", token())
            }

            /// Empties every database (`FLUSHALL`), including those of other tests.
            ///
            /// # Errors
            /// The server's error; [`ErrorKind::Io`](castoff::ErrorKind::Io) if it can't be
            /// reached.
            ///
            /// # Cancel safety
            /// If the future is dropped, it may or may not have been done.
            pub async fn flush(&self) -> Result<()> {
                self.command(&["FLUSHALL"]).await
            }

            /// Changes a setting while the server runs (`CONFIG SET`), for all of its users.
            ///
            /// # Errors
            /// The server's error, for a setting that it does not know or can't change;
            /// [`ErrorKind::Io`](castoff::ErrorKind::Io) if it can't be reached.
            ///
            /// # Cancel safety
            /// If the future is dropped, it may or may not have been done.
            pub async fn config_set(&self, key: &str, value: &str) -> Result<()> {
                self.command(&["CONFIG", "SET", key, value]).await
            }

            async fn command(&self, words: &[&str]) -> Result<()> {
                let mut session = self.access.session(self.container()).await?;
                session.ask(&[words]).await.map(drop)
            }
        }
    };
}

#[cfg(feature = "redis")]
server_handle!(RedisServer, "Redis");
#[cfg(feature = "valkey")]
server_handle!(ValkeyServer, "Valkey");

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

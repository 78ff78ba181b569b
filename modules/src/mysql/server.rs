//! [`MariaDbServer`] and [`MySqlServer`]: those that run.

use std::fmt::Display;
use std::sync::Arc;

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
use super::options::{Flavor, Options};
use crate::shape::{Service, server};
use crate::url::encode;

/// What a client has to know of it, besides where it is.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) root: String,
    pub(super) database: String,
}

/// A handle for one of the two.
macro_rules! running {
    ($(#[$about:meta])* $server:ident, $module:literal) => {
        $(#[$about])*
        #[must_use = "the server is removed when its handle is dropped"]
        pub struct $server {
            service: Service,
            admin: Arc<Admin>,
            client: &'static str,
            #[cfg(feature = "tls")]
            ca: Option<String>,
        }

        server!($server);

        impl $server {
            pub(super) async fn new(
                container: Container,
                options: Options,
                flavor: &Flavor,
            ) -> Result<Self> {
                #[cfg(feature = "tls")]
                let ca = match options.tls {
                    Some(_) => Some(crate::tls::authority(&container).await?),
                    None => None,
                };
                let admin = Admin::of(&container, &options.parts)?;
                let service = Service::new(container, PORT)?;
                Ok($server {
                    service,
                    admin,
                    client: flavor.client,
                    #[cfg(feature = "tls")]
                    ca,
                })
            }

            /// The URL of the default database, for a client on this machine:
            /// `mysql://test:test@127.0.0.1:49153/test`.
            #[must_use]
            pub fn url(&self) -> String {
                self.url_for(self.database_name())
            }

            /// The URL of another database of this server. The user has to have been let in there.
            #[must_use]
            pub fn url_for(&self, database: &str) -> String {
                url(&self.admin.parts, self.addr(), database)
            }

            /// The URL for `root`, in no database.
            #[must_use]
            pub fn root_url(&self) -> String {
                format!("mysql://root:{}@{}", encode(&self.admin.parts.root), self.addr())
            }

            /// The URL of the default database, for a client in a network that the server is in.
            #[must_use]
            pub fn network_url(&self) -> String {
                url(&self.admin.parts, self.network_addr(), self.database_name())
            }

            /// The user's name.
            #[must_use]
            pub fn user(&self) -> &str {
                &self.admin.parts.user
            }

            /// The user's password.
            #[must_use]
            pub fn password(&self) -> &str {
                &self.admin.parts.password
            }

            /// The name of the default database, which was created with the server. For one of your
            /// own, see [`database`](Self::database).
            #[must_use]
            pub fn database_name(&self) -> &str {
                &self.admin.parts.database
            }

            /// The certificate, in PEM, of the authority that signed the server's; where it was made
            #[doc = concat!("[`with_tls`](", $module, "::with_tls).")]
            #[cfg(feature = "tls")]
            #[must_use]
            pub fn ca_certificate(&self) -> Option<&str> {
                self.ca.as_deref()
            }

            /// Runs SQL as `root` in the default database, with the client in the container. What it
            /// prints comes back: rows with tabs between their columns.
            ///
            /// # Errors
            /// When a statement fails: with what the client said. Those before it have had their
            /// effect.
            ///
            /// # Cancel safety
            /// When the future is dropped, the client may go on.
            pub async fn sql(&self, text: impl AsRef<str>) -> Result<String> {
                let parts = &self.admin.parts;
                let command = [self.client, "-uroot", "--batch", "--skip-column-names"];
                let out = self
                    .container()
                    .exec(command.into_iter().chain([parts.database.as_str()]))
                    .with_env("MYSQL_PWD", &parts.root)
                    .with_stdin(text.as_ref())
                    .await?;
                if out.success() {
                    return Ok(out.stdout_text().into_owned());
                }
                let said = out.stderr_text().trim().to_owned();
                Err(Error::other(format!("{} ended with code {}: {said}", self.client, out.exit_code)))
            }

            pub(super) fn admin(&self) -> &Arc<Admin> {
                &self.admin
            }
        }
    };
}

#[cfg(feature = "mariadb")]
running! {
    /// A MariaDB server, removed with its data when this handle and those of its databases are
    /// dropped.
    MariaDbServer, "super::MariaDb"
}

#[cfg(feature = "mysql")]
running! {
    /// A MySQL server, removed with its data when this handle and those of its databases are
    /// dropped.
    MySqlServer, "super::MySql"
}

pub(super) fn url(parts: &Parts, addr: impl Display, database: &str) -> String {
    let (user, password) = (encode(&parts.user), encode(&parts.password));
    format!("mysql://{user}:{password}@{addr}/{}", encode(database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let text = |text: &str| text.to_owned();
        let parts = Parts {
            user: text("a@b"),
            password: text("p/w:d"),
            root: text("r"),
            database: text(""),
        };
        assert_eq!(
            url(&parts, "127.0.0.1:3306", "my db"),
            "mysql://a%40b:p%2Fw%3Ad@127.0.0.1:3306/my%20db"
        );
    }
}

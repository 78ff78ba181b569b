//! [`MariaDbServer`] and [`MySqlServer`]: the handles to running servers.

use std::sync::Arc;

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
use super::options::{Flavor, Options};
use crate::shape::{Service, server};
use crate::url::encode;

/// Defines the handle of one of the two.
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
                let admin = Admin::of(&container, &options.login)?;
                let service = Service::new(container, PORT)?;
                Ok($server {
                    service,
                    admin,
                    client: flavor.client,
                    #[cfg(feature = "tls")]
                    ca,
                })
            }

            /// Returns the URL of the default database, for a client on this machine:
            /// `mysql://test:test@127.0.0.1:49153/test`.
            #[must_use]
            pub fn url(&self) -> String {
                self.url_for(self.database_name())
            }

            /// Returns the URL of another database of this server. The user must have rights in it.
            #[must_use]
            pub fn url_for(&self, database: &str) -> String {
                self.admin.login.url(self.addr(), database)
            }

            /// Returns the URL for `root`, in no database.
            #[must_use]
            pub fn root_url(&self) -> String {
                format!("mysql://root:{}@{}", encode(&self.admin.login.root), self.addr())
            }

            /// Returns the URL of the default database, for a client in a network that the server
            /// is in.
            #[must_use]
            pub fn network_url(&self) -> String {
                self.admin.login.url(self.network_addr(), self.database_name())
            }

            /// Returns the user's name.
            #[must_use]
            pub fn user(&self) -> &str {
                &self.admin.login.user
            }

            /// Returns the user's password.
            #[must_use]
            pub fn password(&self) -> &str {
                &self.admin.login.password
            }

            /// Returns the name of the default database, which was created with the server. For one
            /// of your own, see [`database`](Self::database).
            #[must_use]
            pub fn database_name(&self) -> &str {
                &self.admin.login.database
            }

            /// Returns the certificate, in PEM, of the authority that signed the server's; `None`
            /// without
            #[doc = concat!("[`with_tls`](", $module, "::with_tls).")]
            #[cfg(feature = "tls")]
            #[must_use]
            pub fn ca_certificate(&self) -> Option<&str> {
                self.ca.as_deref()
            }

            /// Runs SQL as `root` in the default database, with the client in the container.
            /// Returns its output: rows with tabs between columns.
            ///
            /// # Errors
            /// Fails with the client's output if a statement fails. Statements before it have had
            /// their effect.
            ///
            /// # Cancel safety
            /// If the future is dropped, the client may continue.
            pub async fn sql(&self, text: impl AsRef<str>) -> Result<String> {
                let login = &self.admin.login;
                let command = [self.client, "-uroot", "--batch", "--skip-column-names"];
                let out = self
                    .container()
                    .exec(command.into_iter().chain([login.database.as_str()]))
                    .with_env("MYSQL_PWD", &login.root)
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

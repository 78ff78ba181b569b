//! [`MariaDb`] and [`MySql`]: the descriptions of servers.

use castoff::{Container, ContainerBuilder, Module, Result};

use super::PORT;
use super::options::{Flavor, Options};
#[cfg(feature = "mariadb")]
use super::server::MariaDbServer;
#[cfg(feature = "mysql")]
use super::server::MySqlServer;
use crate::shape::module;

/// A module for one of the two.
macro_rules! described {
    ($(#[$about:meta])* $module:ident => $server:ident, $flavor:ident, $repository:literal, $tag:literal) => {
        $(#[$about])*
        ///
        /// By default: user, password and database `test`, and the same password for `root`; data
        /// in memory and not synced; up to 500 connections. It is ready when it sends its greeting
        /// over TCP, after all init scripts.
        #[must_use = "nothing is started before `start()`"]
        pub struct $module {
            container: ContainerBuilder,
            options: Options,
        }

        impl $module {
            /// Describes a server with all defaults.
            pub fn new() -> Self {
                let image = concat!($repository, ":", $tag);
                $module { container: Container::builder(image).with_port(PORT), options: Options::new() }
            }

            /// Sets the user's name. It must not be `root`, which always exists.
            pub fn with_user(mut self, user: impl Into<String>) -> Self {
                self.options.login.user = user.into();
                self
            }

            /// Sets the user's password.
            pub fn with_password(mut self, password: impl Into<String>) -> Self {
                self.options.login.password = password.into();
                self
            }

            /// Sets the password of `root`, which creates and drops databases.
            pub fn with_root_password(mut self, password: impl Into<String>) -> Self {
                self.options.login.root = password.into();
                self
            }

            /// Sets the database to create, in which the user has all rights.
            pub fn with_database(mut self, database: impl Into<String>) -> Self {
                self.options.login.database = database.into();
                self
            }

            /// Adds SQL for `root` to run in the database before the server is ready. May be called
            /// several times: the texts run in that order. An error in it ends the server, so the
            /// start fails.
            pub fn with_init_sql(self, sql: impl Into<String>) -> Self {
                self.with_init_script("init.sql", sql.into())
            }

            /// Adds a script to run before the server is ready, in the order of the calls: SQL for
            /// a name that ends in `.sql` (or `.sql.gz`), a shell script for `.sh`.
            pub fn with_init_script(
                mut self,
                name: impl Into<String>,
                script: impl Into<Vec<u8>>,
            ) -> Self {
                self.options.scripts.push((name.into(), script.into()));
                self
            }

            /// Sets a server option, passed as `--key=value`. It overrides this module's own.
            pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.options.config.push((key.into(), value.into()));
                self
            }

            /// Writes like a production server: to disk, and synced. The data survives a restart,
            /// but is still removed with the container.
            pub fn with_durability(mut self) -> Self {
                self.options.durable = true;
                self
            }

            /// Has the server speak TLS, with a certificate for `localhost`, the loopback addresses and
            /// the container's name and aliases in its networks, signed by the server's `ca_certificate()`. Who does not ask for TLS
            /// is served without.
            #[cfg(feature = "tls")]
            pub fn with_tls(mut self) -> Self {
                self.options.tls.get_or_insert_default();
                self
            }

            /// Adds names to the server's certificate, such as one that its clients resolve by themselves; the
            /// container's own are there already. Turns TLS on as [`with_tls`](Self::with_tls) does.
            #[cfg(feature = "tls")]
            pub fn with_tls_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
                self.options.tls.get_or_insert_default().extend(names.into_iter().map(Into::into));
                self
            }
        }

        module!($module => $server, $repository);

        impl Module for $module {
            type Server = $server;

            fn builder_mut(&mut self) -> &mut ContainerBuilder {
                &mut self.container
            }

            fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
                self.options.configure(&$flavor, container)
            }

            async fn into_server(self, container: Container) -> Result<$server> {
                $server::new(container, self.options, &$flavor).await
            }
        }
    };
}

#[cfg(feature = "mariadb")]
const MARIADB: Flavor =
    Flavor { name: "MariaDB", variables: "MARIADB", program: "mariadbd", client: "mariadb" };

#[cfg(feature = "mysql")]
const MYSQL: Flavor =
    Flavor { name: "MySQL", variables: "MYSQL", program: "mysqld", client: "mysql" };

#[cfg(feature = "mariadb")]
described! {
    /// A description of a MariaDB server, of the image `mariadb:11`. Nothing happens before
    /// [`start`](Self::start).
    MariaDb => MariaDbServer, MARIADB, "mariadb", "11"
}

#[cfg(feature = "mysql")]
described! {
    /// A description of a MySQL server, of the image `mysql:8.4`. Nothing happens before
    /// [`start`](Self::start).
    MySql => MySqlServer, MYSQL, "mysql", "8.4"
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::ErrorKind;
    use castoff::spec::ContainerSpec;

    fn spec<M: Module>(mut module: M) -> ContainerSpec {
        let container = std::mem::replace(module.builder_mut(), Container::builder(""));
        module.configure(container).unwrap().spec().clone()
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_is_as_its_image_has_it() {
        insta::assert_debug_snapshot!(spec(MySql::new().with_config("sql-mode", "ANSI")));
    }

    #[cfg(feature = "mariadb")]
    #[test]
    fn a_durable_server_has_the_images_volume_and_writes_as_usual() {
        let spec = spec(MariaDb::new().with_durability().with_config("sql-mode", "ANSI"));
        assert!(spec.mounts.is_empty());
        let command = spec.command.unwrap_or_default();
        assert_eq!((command[0].as_str(), command.len()), ("mariadbd", 5));
        assert_eq!(command[4], "--sql-mode=ANSI");
        assert_eq!(spec.env["MARIADB_ROOT_PASSWORD"], "test");
    }

    #[cfg(feature = "mariadb")]
    #[test]
    fn what_can_not_be_is_named() {
        for (module, option) in [
            (MariaDb::new().with_user("root"), "user"),
            (MariaDb::new().with_password(""), "password"),
            (MariaDb::new().with_root_password("a\nb"), "root password"),
            (MariaDb::new().with_init_script("a/b", ""), "init script"),
        ] {
            let error = module.configure(Container::builder("x")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }
}

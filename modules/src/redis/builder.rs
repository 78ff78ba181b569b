//! [`Redis`] and [`Valkey`]: what a server is to be.

use castoff::{Container, ContainerBuilder, Module, Result};

use super::options::{Options, User};
use super::{PORT, access::Access};
use crate::shape::recipe;

macro_rules! server_recipe {
    ($recipe:ident => $server:ident, $name:literal, $image:literal, $tag:literal, $program:literal) => {
        #[doc = concat!("Describes a ", $name, " server. Nothing happens before [`start`](Self::start).")]
        ///
        #[doc = concat!("By default: image `", $image, ":", $tag, "`; no password; 1024 databases; data in memory, without")]
        /// snapshots. It is ready when it answers `PING`, so not before it has loaded what it has
        /// to load.
        ///
        /// What is mounted at `/data` takes the place of the data in memory.
        #[must_use = "nothing is started before `start()`"]
        pub struct $recipe {
            container: ContainerBuilder,
            options: Options,
        }

        impl $recipe {
            /// A server with everything by default.
            pub fn new() -> Self {
                let container = Container::builder(concat!($image, ":", $tag)).with_port(PORT);
                $recipe { container, options: Options::default() }
            }

            /// The password of the user `default`. Default: none.
            ///
            /// It may hold anything but NUL, and may not be empty.
            pub fn with_password(mut self, password: impl Into<String>) -> Self {
                self.options.password = Some(password.into());
                self
            }

            /// Another user, and what it may do, such as `~cached:* +@read`; see the server's
            /// documentation of [ACL rules](https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/#acl-rules).
            ///
            #[doc = concat!("It connects by [`url_as`](super::", stringify!($server), "::url_as).")]
            pub fn with_user(
                mut self,
                name: impl Into<String>,
                password: impl Into<String>,
                rules: impl Into<String>,
            ) -> Self {
                let (name, password, rules) = (name.into(), password.into(), rules.into());
                self.options.users.push(User { name, password, rules });
                self
            }

            /// A server setting, passed as `--key value`. It wins over this module's own, and
            /// over [`with_config_file`](Self::with_config_file).
            pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.options.config.push((key.into(), value.into()));
                self
            }

            /// The text of a configuration file. It wins over this module's defaults.
            pub fn with_config_file(mut self, text: impl Into<String>) -> Self {
                self.options.file = Some(text.into());
                self
            }

            /// Keeps the data over a restart: on disk, in an append-only file.
            pub fn durable(mut self) -> Self {
                self.options.durable = true;
                self
            }

            /// TLS on a port of its own, which the handle's addresses then lead to. The server's
            /// certificate is for `localhost`, the loopback addresses and the container's aliases
            #[doc = concat!("in its networks, signed by [`", stringify!($server), "::ca_certificate`](super::", stringify!($server), "::ca_certificate).")]
            ///
            /// Port 6379 stays as it is, for this module to speak with the server.
            #[cfg(feature = "tls")]
            pub fn with_tls(mut self) -> Self {
                self.options.tls = true;
                self
            }
        }

        recipe!($recipe => $server, $image);

        impl Module for $recipe {
            type Server = super::$server;

            fn container_mut(&mut self) -> &mut ContainerBuilder {
                &mut self.container
            }

            fn lower(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
                self.options.lower(container, $name, $program)
            }

            async fn attach(self, container: Container) -> Result<super::$server> {
                super::$server::new(container, &self.options).await
            }
        }
    };
}

//! [`Redis`] and [`Valkey`]: the descriptions of servers.

use castoff::{Container, ContainerBuilder, Module, Result};

use super::PORT;
#[cfg(feature = "redis")]
use super::RedisServer;
#[cfg(feature = "valkey")]
use super::ValkeyServer;
use super::options::{Options, User};
use crate::shape::module;

macro_rules! server_recipe {
    ($module:ident => $server:ident, $name:literal, $image:literal, $tag:literal, $program:literal) => {
        #[doc = concat!("Describes a ", $name, " server. Nothing happens before [`start`](Self::start).")]
        ///
        #[doc = concat!("By default: image `", $image, ":", $tag, "`; no password; 1024 databases; data in memory, without")]
        /// snapshots. It is ready when it answers `PING`, and so not before it has loaded its data.
        ///
        /// A mount at `/data` replaces the data in memory.
        #[must_use = "nothing is started before `start()`"]
        pub struct $module {
            container: ContainerBuilder,
            options: Options,
        }

        impl $module {
            /// Describes a server with all defaults.
            pub fn new() -> Self {
                let container = Container::builder(concat!($image, ":", $tag)).with_port(PORT);
                $module { container, options: Options::default() }
            }

            /// Sets the password of the user `default`. Default: none.
            ///
            /// It must not be empty or contain NUL.
            pub fn with_password(mut self, password: impl Into<String>) -> Self {
                self.options.password = Some(password.into());
                self
            }

            /// Adds another user with its rights, such as `~cached:* +@read`; see the server's
            /// documentation of
            /// [ACL rules](https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/#acl-rules).
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

            /// Sets a server option, passed as `--key value` or in a file. It overrides this
            /// module's own, and those of [`with_config_file`](Self::with_config_file).
            pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.options.config.push((key.into(), value.into()));
                self
            }

            /// Sets the text of a configuration file. It overrides this module's defaults.
            pub fn with_config_file(mut self, text: impl Into<String>) -> Self {
                self.options.file = Some(text.into());
                self
            }

            /// Keeps the data over a restart: on disk, in an append-only file.
            pub fn with_durability(mut self) -> Self {
                self.options.durable = true;
                self
            }

            /// Enables TLS on a port of its own, to which the handle's addresses then lead. The
            /// certificate is for `localhost`, the loopback addresses and the container's aliases
            #[doc = concat!("in its networks, signed by [`", stringify!($server), "::ca_certificate`](super::", stringify!($server), "::ca_certificate).")]
            ///
            /// Port 6379 is unchanged; this module uses it to speak with the server.
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

        impl Module for $module {
            type Server = $server;

            fn builder_mut(&mut self) -> &mut ContainerBuilder {
                &mut self.container
            }

            fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
                self.options.configure(container, $name, $program)
            }

            async fn into_server(self, container: Container) -> Result<$server> {
                $server::new(container, &self.options).await
            }
        }
    };
}

#[cfg(feature = "redis")]
server_recipe!(Redis => RedisServer, "Redis", "redis", "7", "redis-server");
#[cfg(feature = "redis")]
module!(Redis => RedisServer, "redis");

#[cfg(feature = "valkey")]
server_recipe!(Valkey => ValkeyServer, "Valkey", "valkey/valkey", "8", "valkey-server");
#[cfg(feature = "valkey")]
module!(Valkey => ValkeyServer, "valkey/valkey");

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;
    use castoff::ErrorKind;
    use castoff::spec::{ContainerSpec, Mount};

    const DEFAULTS: [&str; 7] =
        ["redis-server", "--save", "", "--appendonly", "no", "--databases", "1024"];

    fn spec(mut server: Redis) -> Result<ContainerSpec> {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        Ok(server.configure(container)?.spec().clone())
    }

    #[test]
    fn by_default_data_is_in_memory_and_no_snapshot_is_taken() {
        let spec = spec(Redis::new()).unwrap();
        assert_eq!(spec.image, "redis:7");
        assert_eq!(spec.mounts, [Mount::tmpfs("/data")]);
        assert_eq!(spec.command.unwrap_or_default(), DEFAULTS);
    }

    #[test]
    #[cfg(feature = "valkey")]
    fn valkey_differs_by_its_names() {
        let mut server = Valkey::new().with_tag("8.1");
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        let spec = server.configure(container).unwrap().spec().clone();
        assert_eq!(spec.image, "valkey/valkey:8.1");
        assert_eq!(spec.command.unwrap_or_default()[0], "valkey-server");
    }

    #[test]
    fn password_users_and_settings_are_arguments() {
        let server = Redis::new()
            .with_tag("7.2")
            .with_password("a b")
            .with_config("hz", "50")
            .with_user("ann", "p w", " ~cached:*  +@read ");
        let spec = spec(server).unwrap();
        assert_eq!(spec.image, "redis:7.2");
        let expected = ["--requirepass", "a b", "--user", "ann", "on", ">p w", "~cached:*"];
        let command = spec.command.unwrap_or_default();
        assert_eq!(command[7..14], expected);
        assert_eq!(command[14..], ["+@read", "--hz", "50"]);
    }

    #[test]
    fn a_file_wins_over_the_defaults() {
        let server = Redis::new().with_config_file("databases 3").with_password("x");
        let expected = "save \"\"\nappendonly \"no\"\ndatabases \"1024\"\ndatabases 3\n\
                        requirepass \"x\"\n";
        assert_eq!(server.options.file().unwrap_or_default(), expected);
        let command = spec(server).unwrap().command.unwrap_or_default();
        assert_eq!(command, ["redis-server", "/castoff/server.conf"]);
    }

    #[test]
    fn what_an_argument_may_garble_is_in_a_file() {
        let server = Redis::new().with_password("a\"\\\r\nü");
        let file = server.options.file().unwrap_or_default();
        assert!(file.ends_with("\nrequirepass \"a\\\"\\\\\\x0d\\x0a\\xc3\\xbc\"\n"), "{file}");
        assert_eq!(Redis::new().with_password("p@ss word").options.file(), None);
    }

    #[test]
    fn durable_data_is_on_disk() {
        let spec = spec(Redis::new().with_durability()).unwrap();
        assert!(spec.mounts.is_empty());
        assert_eq!(spec.command.unwrap_or_default()[3..5], ["--appendonly", "yes"]);
    }

    #[test]
    fn a_mount_of_the_users_takes_the_place_of_ours() {
        let server = Redis::new().customize(|container| container.with_bind("/srv/redis", "/data"));
        assert_eq!(spec(server).unwrap().mounts, [Mount::bind("/srv/redis", "/data")]);
    }

    #[test]
    #[cfg(feature = "tls")]
    fn tls_has_a_port_of_its_own() {
        let spec = spec(Redis::new().with_tls()).unwrap();
        assert_eq!(spec.ports.len(), 2);
        let command = spec.command.unwrap_or_default();
        assert!(command.windows(2).any(|pair| pair == ["--tls-port", "6380"]), "{command:?}");
    }

    #[test]
    fn what_can_not_be_passed_is_refused_by_name() {
        let refused = [
            (Redis::new().with_password(""), "password: is empty"),
            (Redis::new().with_password("a\0b"), "password: a NUL"),
            (Redis::new().with_user("a b", "x", ""), "user: \"a b\""),
            (Redis::new().with_user("default", "x", ""), "user: \"default\""),
            (Redis::new().with_user("ann", "", ""), "user's password: is empty"),
            (Redis::new().with_config("hz", "\0"), "setting hz: "),
            (Redis::new().with_config("hz 1\nport", "1"), "setting: "),
        ];
        for (server, expected) in refused {
            let error = spec(server).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let server = Redis::new().with_password("sesame").with_config("masterauth", "sesame");
        let server = server.with_user("ann", "sesame", "");
        assert!(!format!("{server:?} {:?}", server.container).contains("sesame"));
    }
}

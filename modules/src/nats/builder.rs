//! [`Nats`]: the description of a server.

use castoff::{Container, ContainerBuilder, CopySource, Module, Result};

use super::config::{DATA, Options};
use super::{MONITORING_PORT, NatsServer, PORT, ready};
use crate::shape::module;

/// The path of the configuration file.
const FILE: &str = "/castoff/nats.conf";
/// The default number of accounts for tests: they cost 50 ms of the start and 6 MB.
const ACCOUNTS: u32 = 256;

/// A description of a NATS server. Nothing happens before [`start`](Self::start).
///
/// By default: image `nats:2`; no credentials needed; JetStream with its data in memory; 256
/// accounts for tests besides the common one. It is ready when it answers `PING` to a client that
/// is logged in; JetStream is ready by then.
///
/// A mount at `/data` replaces the data in memory.
#[must_use = "nothing is started before `start()`"]
pub struct Nats {
    container: ContainerBuilder,
    options: Options,
}

impl Nats {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("nats:2").with_port(PORT);
        let options = Options {
            users: Vec::new(),
            token: None,
            accounts: ACCOUNTS,
            jetstream: true,
            durable: false,
            monitoring: false,
            config: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        };
        Nats { container, options }
    }

    /// Adds a user; then all clients need credentials. The first user's name and password are in
    /// [`NatsServer::url`]; all are in the same account. Default: no credentials.
    ///
    /// Names must not begin with `castoff-`, nor passwords with `$2`, which marks a hash for the
    /// server. Neither may contain NUL.
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.options.users.push((name.into(), password.into()));
        self
    }

    /// Sets a token that all clients need. The server can't have users then, and so no accounts for
    /// tests either.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Sets the limit for accounts that [`NatsServer::account`] can give out at the same time.
    /// Default: 256. A thousand make the start about 150 ms longer than none.
    pub fn with_accounts(mut self, number: u32) -> Self {
        self.options.accounts = number;
        self
    }

    /// Disables JetStream, so that messages are not stored.
    pub fn without_jetstream(mut self) -> Self {
        self.options.jetstream = false;
        self
    }

    /// Keeps JetStream's data over a restart: in the container, on disk.
    pub fn with_durability(mut self) -> Self {
        self.options.durable = true;
        self
    }

    /// Enables the monitoring interface, by HTTP; see [`NatsServer::monitoring_url`].
    pub fn with_monitoring(mut self) -> Self {
        self.options.monitoring = true;
        self
    }

    /// Adds text to the end of the configuration file, such as `max_payload: 8MB`. It overrides
    /// this module's own; several texts are joined in order.
    pub fn with_config_file(mut self, text: impl Into<String>) -> Self {
        self.options.config.push(text.into());
        self
    }

    /// Enables TLS for clients that ask for it. The server's certificate is for `localhost`, the
    /// loopback addresses and the container's aliases in its networks, signed by
    /// [`NatsServer::ca_certificate`].
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

    #[cfg(feature = "tls")]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, names};
        let Some(further) = &self.options.tls else { return Ok(container) };
        let names = names(container.spec(), further);
        // The image's only user is root.
        Ok(Certificates::generate(&names)?.copy_into(container, &names, (0, 0)))
    }

    #[cfg(not(feature = "tls"))]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }
}

module!(Nats => NatsServer, "nats");

impl Module for Nats {
    type Server = NatsServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        let options = &self.options;
        options.check()?;
        let spec = container.spec();
        let mounted = spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        let has_command = spec.command.is_some();
        if options.jetstream && !options.durable && !mounted {
            container = container.with_tmpfs(DATA);
        }
        if !has_command {
            container = container.with_command(["--config", FILE]);
        }
        if options.monitoring {
            container = container.with_port(MONITORING_PORT);
        }
        let file = CopySource::bytes(options.file());
        Ok(self.certified(container.with_copy(file, FILE))?.with_wait(ready::wait(options)))
    }

    async fn into_server(self, container: Container) -> Result<NatsServer> {
        NatsServer::new(container, self.options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::ErrorKind;
    use castoff::spec::{ContainerSpec, Mount};

    fn spec(mut server: Nats) -> Result<ContainerSpec> {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        Ok(server.configure(container)?.spec().clone())
    }

    #[test]
    fn by_default_there_is_jetstream_in_memory_and_anybody_gets_in() {
        let server = Nats::new();
        let file = server.options.file();
        let begin = "port: 4222\nping_interval: \"24h\"\njetstream { store_dir: \"/data\" }\n\
                     no_auth_user: castoff-anybody\nsystem_account: SYS\naccounts {\n";
        assert!(file.starts_with(begin), "{file}");
        assert!(file.contains("\n  CASTOFF_256 { jetstream: enabled, users: "), "{file}");
        assert!(!file.contains("CASTOFF_257"), "{file}");
        let spec = spec(server).unwrap();
        assert_eq!(spec.image, "nats:2");
        assert_eq!(spec.mounts, [Mount::tmpfs("/data")]);
        assert_eq!(spec.command.unwrap_or_default(), ["--config", "/castoff/nats.conf"]);
    }

    #[test]
    fn users_and_text_of_the_users_are_in_the_file() {
        let server = Nats::new().with_user("ann", "a \"b\"").with_accounts(0);
        let server =
            server.without_jetstream().with_monitoring().with_config_file("max_payload: 8MB");
        let expected = "port: 4222\nping_interval: \"24h\"\nhttp_port: 8222\n\
                        system_account: SYS\naccounts {\n  \
                        SYS { users: [{ user: \"castoff-system\", password: \"castoff-system\" }] }\n  \
                        MAIN { users: [{ user: \"ann\", password: \"a \\\"b\\\"\" }] }\n}\n\
                        max_payload: 8MB\n";
        assert_eq!(server.options.file(), expected);
        let spec = spec(server).unwrap();
        assert!(spec.mounts.is_empty());
        assert_eq!(spec.ports.len(), 2);
    }

    #[test]
    fn a_token_leaves_no_place_for_accounts() {
        let file = Nats::new().with_token("s e").options.file();
        assert!(file.ends_with("authorization { token: \"s e\" }\n"), "{file}");
        assert!(!file.contains("accounts"), "{file}");
    }

    #[test]
    fn what_can_not_be_passed_is_refused_by_name() {
        let refused = [
            (Nats::new().with_user("", "x"), "user: \"\""),
            (Nats::new().with_user("castoff-1", "x"), "user: \"castoff-1\""),
            (Nats::new().with_user("a", "x").with_user("a", "y"), "user: \"a\" is there twice"),
            (Nats::new().with_user("a", "$2a$10$x"), "password: begins"),
            (Nats::new().with_user("a", ""), "password: is empty"),
            (Nats::new().with_user("a", "\0"), "password: has a NUL"),
            (Nats::new().with_token(""), "token: is empty"),
            (Nats::new().with_token("x").with_user("a", "x"), "token: the server"),
        ];
        for (server, expected) in refused {
            let error = spec(server).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let server = Nats::new().with_user("ann", "sesame").with_config_file("# sesame");
        assert!(!format!("{server:?} {:?}", server.container).contains("sesame"));
    }
}

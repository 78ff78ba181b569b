//! [`Mosquitto`]: the description of a broker.

use castoff::{Container, ContainerBuilder, CopySource, Error, ErrorKind, Module, Result};

use super::password::line;
use super::{MosquittoServer, PORT, WEBSOCKET_PORT, ready};
use crate::shape::module;

const FILE: &str = "/castoff/mosquitto/mosquitto.conf";
const PASSWORDS: &str = "/castoff/mosquitto/passwords";
const RULES: &str = "/castoff/mosquitto/rules";
/// The volumes of the image.
const DATA: &str = "/mosquitto/data";
const LOG: &str = "/mosquitto/log";
/// The broker's user and group in the official image.
const OWNER: (u32, u32) = (1883, 1883);

/// A description of an Eclipse Mosquitto broker. Nothing happens before [`start`](Self::start).
///
/// By default: image `eclipse-mosquitto:2`; no credentials needed; no data on disk. It is ready
/// when it accepts a `CONNECT`.
///
/// It uses a configuration file of this module, since the image's own rejects clients from outside
/// of the container.
#[must_use = "nothing is started before `start()`"]
pub struct Mosquitto {
    container: ContainerBuilder,
    users: Vec<(String, String)>,
    rules: Vec<String>,
    config: Vec<(String, String)>,
    file: Option<String>,
    websockets: bool,
    durable: bool,
    #[cfg(feature = "tls")]
    tls: Option<Vec<String>>,
}

impl Mosquitto {
    /// Describes a broker with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("eclipse-mosquitto:2").with_port(PORT);
        Mosquitto {
            container,
            users: Vec::new(),
            rules: Vec::new(),
            config: Vec::new(),
            file: None,
            websockets: false,
            durable: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Adds a user; then all clients need credentials. The first user's name and password are in
    /// [`MosquittoServer::url`]. Default: no credentials.
    ///
    /// A name must not contain a colon or control characters, begin with `#`, or begin or end with
    /// white space; a password must not contain NUL.
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Adds access rules, in lines of the broker's ACL file, such as `user ann` with
    /// `topic read limits/#` below it; see `acl_file` in
    /// [mosquitto.conf](https://mosquitto.org/man/mosquitto-conf-5.html). With rules, everything
    /// that they do not allow is forbidden. Several texts are joined in order.
    pub fn with_acl(mut self, rules: impl Into<String>) -> Self {
        self.rules.push(rules.into());
        self
    }

    /// Sets an option of [mosquitto.conf](https://mosquitto.org/man/mosquitto-conf-5.html). An
    /// option of a listener applies to the one on port 1883.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Adds text to the configuration file, after this module's own.
    pub fn with_config_file(mut self, text: impl Into<String>) -> Self {
        self.file = Some(text.into());
        self
    }

    /// Enables MQTT over websockets as well, on port 9001; see [`MosquittoServer::websocket_url`].
    pub fn with_websockets(mut self) -> Self {
        self.websockets = true;
        self
    }

    /// Keeps retained messages and persistent sessions over a restart: on disk, after every change.
    pub fn with_durability(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Enables TLS on a port of its own, to which the handle's addresses then lead. The broker's
    /// certificate is for `localhost`, the loopback addresses and the container's aliases in its
    /// networks, signed by [`MosquittoServer::ca_certificate`].
    ///
    /// Port 1883 is unchanged; this module uses it to speak with the broker.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// Adds names to the server's certificate, such as one that its clients resolve by themselves; the
    /// container's own are there already. Turns TLS on as [`with_tls`](Self::with_tls) does.
    #[cfg(feature = "tls")]
    pub fn with_tls_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tls.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        for (name, password) in &self.users {
            let strange = |c: char| c == ':' || c.is_control();
            if name.is_empty() || name.trim() != name || name.starts_with('#') {
                return refused(format!("user: {name:?} is empty or has no place in a file"));
            }
            if name.contains(strange) || name.len() > usize::from(u16::MAX) {
                return refused(format!("user: {name:?} has a colon in it, or worse"));
            }
            if self.users.iter().filter(|(other, _)| other == name).count() > 1 {
                return refused(format!("user: {name:?} is there twice"));
            }
            if password.is_empty() || password.contains('\0') {
                return refused("password: is empty or has a NUL in it".into());
            }
            if password.len() > usize::from(u16::MAX) {
                return refused("password: is longer than MQTT can tell".into());
            }
        }
        for (key, value) in &self.config {
            let one_word = !key.is_empty() && key.chars().all(|c| matches!(c, '!'..='~'));
            if !one_word || key.starts_with('#') || value.contains(['\n', '\r', '\0']) {
                return refused(format!("setting: {key:?} and its value have to be on one line"));
            }
        }
        Ok(())
    }

    fn file(&self) -> String {
        let mut text = String::new();
        let mut set = |key: &str, value: &str| text.push_str(&format!("{key} {value}\n"));
        if self.durable {
            set("persistence", "true");
            set("persistence_location", &format!("{DATA}/"));
            set("autosave_on_changes", "true");
            set("autosave_interval", "1");
        } else {
            set("persistence", "false");
        }
        let everybody = if self.users.is_empty() { "true" } else { "false" };
        set("allow_anonymous", everybody);
        if !self.users.is_empty() {
            set("password_file", PASSWORDS);
        }
        if !self.rules.is_empty() {
            set("acl_file", RULES);
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            let file = |name: &str| format!("{}/{name}", crate::tls::DIRECTORY);
            set("listener", &super::TLS_PORT.to_string());
            set("certfile", &file("server.crt"));
            set("keyfile", &file("server.key"));
        }
        if self.websockets {
            set("listener", &WEBSOCKET_PORT.to_string());
            set("protocol", "websockets");
        }
        // Options below belong to the last listener.
        set("listener", &PORT.to_string());
        for (key, value) in &self.config {
            set(key, value);
        }
        text + self.file.as_deref().unwrap_or_default() + "\n"
    }

    #[cfg(feature = "tls")]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, names};
        let Some(further) = &self.tls else { return Ok(container) };
        let names = names(container.spec(), further);
        let container = container.with_port(super::TLS_PORT);
        Ok(Certificates::generate(&names)?.copy_into(container, &names, OWNER))
    }

    #[cfg(not(feature = "tls"))]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    fn port(&self) -> u16 {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return super::TLS_PORT;
        }
        PORT
    }
}

module!(Mosquitto => MosquittoServer, "eclipse-mosquitto");

impl Module for Mosquitto {
    type Server = MosquittoServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        self.check()?;
        let spec = container.spec();
        let mounted =
            |path: &str| spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == path);
        let has_command = spec.command.is_some();
        let in_memory: Vec<&str> = [DATA, LOG]
            .into_iter()
            .filter(|&path| !mounted(path) && (path == LOG || !self.durable))
            .collect();
        for path in in_memory {
            container = container.with_tmpfs(path);
        }
        if !has_command {
            container = container.with_command(["mosquitto", "-c", FILE]);
        }
        if self.websockets {
            container = container.with_port(WEBSOCKET_PORT);
        }
        let passwords = self.users.iter().map(|(name, password)| line(name, password)).collect();
        let files =
            [(FILE, self.file()), (PASSWORDS, passwords), (RULES, self.rules.join("\n") + "\n")];
        for (path, text) in files.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
            // Readable only by its owner, as newer versions require.
            let source = CopySource::bytes(text).with_mode(0o600).with_owner(OWNER.0, OWNER.1);
            container = container.with_copy(source, path);
        }
        let login = self.users.first().map(|(name, password)| (name.as_str(), password.as_str()));
        Ok(self.certified(container)?.with_wait(ready::wait(login)))
    }

    async fn into_server(self, container: Container) -> Result<MosquittoServer> {
        #[cfg(feature = "tls")]
        let ca =
            if self.tls.is_some() { Some(crate::tls::authority(&container).await?) } else { None };
        #[cfg(not(feature = "tls"))]
        let ca = None;
        let port = self.port();
        let login = self.users.into_iter().next();
        MosquittoServer::new(container, port, login, ca, self.websockets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::spec::{ContainerSpec, Mount};

    fn spec(mut server: Mosquitto) -> Result<ContainerSpec> {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        Ok(server.configure(container)?.spec().clone())
    }

    #[test]
    fn by_default_anybody_gets_in_and_nothing_is_kept() {
        let server = Mosquitto::new();
        let file = "persistence false\nallow_anonymous true\nlistener 1883\n\n";
        assert_eq!(server.file(), file);
        let spec = spec(server).unwrap();
        assert_eq!(spec.image, "eclipse-mosquitto:2");
        assert_eq!(spec.mounts, [Mount::tmpfs(DATA), Mount::tmpfs(LOG)]);
        assert_eq!(spec.command.unwrap_or_default(), ["mosquitto", "-c", FILE]);
    }

    #[test]
    fn settings_belong_to_the_plain_listener() {
        let server = Mosquitto::new()
            .with_user("ann", "x")
            .with_acl("topic read a/#")
            .with_websockets()
            .with_config("max_connections", "3")
            .with_config_file("log_type all")
            .with_durability();
        let file = "persistence true\npersistence_location /mosquitto/data/\n\
                    autosave_on_changes true\nautosave_interval 1\nallow_anonymous false\n\
                    password_file /castoff/mosquitto/passwords\n\
                    acl_file /castoff/mosquitto/rules\nlistener 9001\nprotocol websockets\n\
                    listener 1883\nmax_connections 3\nlog_type all\n";
        assert_eq!(server.file(), file);
        let spec = spec(server).unwrap();
        assert_eq!(spec.mounts, [Mount::tmpfs(LOG)]);
        assert_eq!(spec.ports.len(), 2);
    }

    #[test]
    fn what_has_no_place_is_refused_by_name() {
        let user = |name: &str| Mosquitto::new().with_user(name, "x");
        let refused = [
            (user(""), "user: \"\""),
            (user("#a"), "user: \"#a\""),
            (user(" a"), "user: \" a\""),
            (user("a:b"), "user: \"a:b\""),
            (user("a\nb"), "user: \"a\\nb\""),
            (user("a").with_user("a", "y"), "user: \"a\" is there twice"),
            (Mosquitto::new().with_user("a", ""), "password: is empty"),
            (Mosquitto::new().with_user("a", "x".repeat(70_000)), "password: is longer"),
            (Mosquitto::new().with_config("a b", "x"), "setting: \"a b\""),
            (Mosquitto::new().with_config("a", "x\ny"), "setting: \"a\""),
        ];
        for (server, expected) in refused {
            let error = spec(server).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let server = Mosquitto::new().with_user("ann", "sesame");
        assert!(!format!("{server:?} {:?}", server.container).contains("sesame"));
    }
}

//! What a server is to be, whichever of the two it is: the container is lowered from this.

use castoff::{ContainerBuilder, CopySource, Error, ErrorKind, Result};

use super::{PORT, TLS_PORT, ready};

/// Where the data lies.
pub(super) const DATA: &str = "/data";
/// Where the user's configuration file lies. Images look for a name that ends so.
const FILE: &str = "/castoff/server.conf";
/// Isolation by database needs many: one costs about a kilobyte.
const DATABASES: &str = "1024";
/// The server's user and group in the official images, and in those built as they are.
#[cfg(feature = "tls")]
const OWNER: (u32, u32) = (999, 999);

#[derive(Default)]
pub(super) struct Options {
    pub(super) password: Option<String>,
    pub(super) users: Vec<User>,
    pub(super) config: Vec<(String, String)>,
    pub(super) file: Option<String>,
    pub(super) durable: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: bool,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) rules: String,
}

impl Options {
    fn tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls;
        #[cfg(not(feature = "tls"))]
        false
    }

    /// The port that clients are to use.
    pub(super) fn port(&self) -> u16 {
        if self.tls() { TLS_PORT } else { PORT }
    }

    pub(super) fn lower(
        &self,
        mut container: ContainerBuilder,
        server: &'static str,
        program: &str,
    ) -> Result<ContainerBuilder> {
        self.check()?;
        let spec = container.spec();
        let mounted = spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        let has_command = spec.command.is_some();
        if !mounted && !self.durable {
            container = container.with_tmpfs(DATA);
        }
        if !has_command {
            container = container.with_command(self.command(program));
        }
        if let Some(text) = &self.file {
            container = container.with_copy(CopySource::bytes(self.file(text)), FILE);
        }
        if self.tls() {
            container = self.certified(container)?.with_port(TLS_PORT);
        }
        Ok(container.with_wait(ready::wait(server, self.password.as_deref())))
    }

    #[cfg(feature = "tls")]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, names};
        let names = names(container.spec());
        Ok(Certificates::generate(&names)?.copy_into(container, &names, OWNER))
    }

    #[cfg(not(feature = "tls"))]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    /// What no server could be started with, or would take for something else.
    fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        let passwords = self.users.iter().map(|user| ("user's password", &user.password));
        for (what, password) in self.password.iter().map(|text| ("password", text)).chain(passwords)
        {
            if password.is_empty() {
                return refused(format!("{what}: is empty, which means none to the server"));
            }
            if password.contains('\0') {
                return refused(format!("{what}: a NUL can't be passed to a container"));
            }
        }
        for User { name, .. } in &self.users {
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '\0') {
                return refused(format!("user: {name:?} is empty or has white space in it"));
            }
            if name == "default" {
                return refused("user: \"default\" is set by `with_password`".into());
            }
        }
        let settings = self.config.iter().flat_map(|(key, value)| [key, value]);
        if let Some(text) = settings.clone().find(|text| text.contains('\0')) {
            return refused(format!("setting: {text:?}: a NUL can't be passed to a container"));
        }
        Ok(())
    }

    /// This module's own settings: they yield to a file's, and to the user's.
    fn defaults(&self) -> [(&'static str, &'static str); 3] {
        let durable = if self.durable { "yes" } else { "no" };
        [("save", ""), ("appendonly", durable), ("databases", DATABASES)]
    }

    /// The user's file after the defaults, since the last setting of a name counts.
    pub(super) fn file(&self, text: &str) -> String {
        let defaults = self.defaults().map(|(key, value)| format!("{key} \"{value}\"\n"));
        format!("{}\n{text}\n", defaults.concat())
    }

    fn command(&self, program: &str) -> Vec<String> {
        let mut command = vec![program.to_owned()];
        let mut set = |key: &str, values: &[&str]| {
            command.push(format!("--{key}"));
            command.extend(values.iter().map(|&value| value.to_owned()));
        };
        if self.file.is_none() {
            self.defaults().iter().for_each(|(key, value)| set(key, &[value]));
        }
        if let Some(password) = &self.password {
            set("requirepass", &[password]);
        }
        for User { name, password, rules } in &self.users {
            let secret = format!(">{password}");
            let mut words = vec![name.as_str(), "on", &secret];
            words.extend(rules.split_whitespace());
            set("user", &words);
        }
        #[cfg(feature = "tls")]
        if self.tls {
            let file = |name: &str| format!("{}/{name}", crate::tls::DIRECTORY);
            set("tls-port", &[&TLS_PORT.to_string()]);
            set("tls-cert-file", &[&file("server.crt")]);
            set("tls-key-file", &[&file("server.key")]);
            set("tls-ca-cert-file", &[&file("ca.crt")]);
            // Clients show no certificate, unless a setting of the user's says so.
            set("tls-auth-clients", &["no"]);
        }
        for (key, value) in &self.config {
            set(key, &[value]);
        }
        if self.file.is_some() {
            command.insert(1, FILE.to_owned());
        }
        command
    }
}

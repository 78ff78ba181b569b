//! The options of a server of either kind, from which the container is lowered.

use castoff::{ContainerBuilder, CopySource, Error, ErrorKind, Result};

use super::{PORT, TLS_PORT, ready};

/// The data directory.
pub(super) const DATA: &str = "/data";
/// The path of the configuration file, if there is one. Images look for a name that ends this way.
const FILE: &str = "/castoff/server.conf";
/// The number of databases. One for each test needs many: each costs about a kilobyte.
const DATABASES: &str = "1024";
/// The server's user and group in the official images, and in those built like them.
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
    pub(super) tls: Option<Vec<String>>,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) rules: String,
}

impl Options {
    fn tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns the port for clients.
    pub(super) fn port(&self) -> u16 {
        if self.tls() { TLS_PORT } else { PORT }
    }

    pub(super) fn configure(
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
        let file = self.file();
        if !has_command {
            let by_file = || vec![program.to_owned(), FILE.to_owned()];
            let command = if file.is_some() { by_file() } else { self.command(program) };
            container = container.with_command(command);
        }
        if let Some(text) = file {
            container = container.with_copy(CopySource::bytes(text), FILE);
        }
        if self.tls() {
            container = self.certified(container)?.with_port(TLS_PORT);
        }
        Ok(container.with_wait(ready::wait(server, self.password.as_deref())))
    }

    #[cfg(feature = "tls")]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, names};
        let names = names(container.spec(), self.tls.as_deref().unwrap_or_default());
        Ok(Certificates::generate(&names)?.copy_into(container, &names, OWNER))
    }

    #[cfg(not(feature = "tls"))]
    fn certified(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    /// Refuses options that would fail to start a server, or that it would misread.
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
        for (key, value) in &self.config {
            let one_word = !key.is_empty() && key.chars().all(|c| matches!(c, '!'..='~'));
            if !one_word {
                return refused(format!("setting: {key:?} is no name of a setting"));
            }
            if value.contains('\0') {
                return refused(format!("setting {key}: a NUL can't be passed to a container"));
            }
        }
        Ok(())
    }

    /// Returns this module's own settings, which a file's and the user's override.
    fn defaults(&self) -> Vec<Setting> {
        let durable = if self.durable { "yes" } else { "no" };
        let own = [("save", ""), ("appendonly", durable), ("databases", DATABASES)];
        own.iter().map(|(key, value)| setting(key, &[value])).collect()
    }

    /// Returns the user's settings that are not in a file.
    fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if let Some(password) = &self.password {
            settings.push(setting("requirepass", &[password]));
        }
        for User { name, password, rules } in &self.users {
            let secret = format!(">{password}");
            let mut words = vec![name.as_str(), "on", &secret];
            words.extend(rules.split_whitespace());
            settings.push(setting("user", &words));
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            let file = |name: &str| format!("{}/{name}", crate::tls::DIRECTORY);
            settings.push(setting("tls-port", &[&TLS_PORT.to_string()]));
            settings.push(setting("tls-cert-file", &[&file("server.crt")]));
            settings.push(setting("tls-key-file", &[&file("server.key")]));
            settings.push(setting("tls-ca-cert-file", &[&file("ca.crt")]));
            // Clients show no certificate, unless the user's settings require one.
            settings.push(setting("tls-auth-clients", &["no"]));
        }
        settings.extend(self.config.iter().map(|(key, value)| setting(key, &[value])));
        settings
    }

    /// Returns the text of a configuration file if one is needed: because the user has one, or
    /// because Valkey 8.1.1 misreads some arguments, such as those with a quote.
    ///
    /// The last value of a name counts, so the defaults come first and the user's last.
    pub(super) fn file(&self) -> Option<String> {
        let settings = self.settings();
        let plain = |word: &String| {
            word.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        };
        if self.file.is_none() && settings.iter().all(|(_, words)| words.iter().all(plain)) {
            return None;
        }
        let lines = |settings: Vec<Setting>| -> String {
            let line = |(key, words): Setting| {
                let words: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
                format!("{key}{words}\n")
            };
            settings.into_iter().map(line).collect()
        };
        let text = self.file.as_deref().unwrap_or_default();
        Some(format!("{}{text}\n{}", lines(self.defaults()), lines(settings)))
    }

    fn command(&self, program: &str) -> Vec<String> {
        let mut command = vec![program.to_owned()];
        for (key, words) in self.defaults().into_iter().chain(self.settings()) {
            command.push(format!("--{key}"));
            command.extend(words);
        }
        command
    }
}

/// A name and its values.
type Setting = (String, Vec<String>);

fn setting(key: &str, words: &[&str]) -> Setting {
    (key.to_owned(), words.iter().map(|&word| word.to_owned()).collect())
}

/// Quotes a word for a configuration file, with bytes in place of characters that are not plain.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in word.bytes() {
        match byte {
            b'"' | b'\\' => quoted.push_str(&format!("\\{}", char::from(byte))),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted + "\""
}

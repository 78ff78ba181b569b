//! [`Options`]: the options of a MySQL or MariaDB server.

use castoff::{ContainerBuilder, CopySource, Error, ErrorKind, Result};

use super::login::Login;
use super::ready;

/// The data directory.
const DATA: &str = "/var/lib/mysql";
/// The server's user in the official images.
#[cfg(feature = "tls")]
const OWNER: (u32, u32) = (999, 999);

/// Differences between MySQL and MariaDB.
#[derive(Debug)]
pub(super) struct Flavor {
    pub(super) name: &'static str,
    /// The prefix of its image's variables.
    pub(super) variables: &'static str,
    /// The programs of the server and the client.
    pub(super) program: &'static str,
    pub(super) client: &'static str,
}

/// Options that disable protection against crashes: a test's data does not survive its server
/// anyway.
const FAST: [&str; 3] =
    ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin"];
/// Options that skip the look-up of client names, and allow many tests with a pool each.
const OWN: [&str; 3] = ["--skip-name-resolve", "--performance-schema=OFF", "--max-connections=500"];

/// The options of a server.
pub(super) struct Options {
    pub(super) login: Login,
    pub(super) config: Vec<(String, String)>,
    pub(super) scripts: Vec<(String, Vec<u8>)>,
    pub(super) durable: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Vec<String>>,
}

impl Options {
    pub(super) fn new() -> Self {
        let text = || "test".to_owned();
        Options {
            login: Login { user: text(), password: text(), root: text(), database: text() },
            config: Vec::new(),
            scripts: Vec::new(),
            durable: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        let login = &self.login;
        for (option, value) in [
            ("user", &login.user),
            ("password", &login.password),
            ("root password", &login.root),
            ("database", &login.database),
        ] {
            if value.is_empty() || value.contains(['\0', '\n', '\r']) {
                return refused(format!("{option}: it must be one line, and not empty"));
            }
        }
        if login.user == "root" {
            return refused(
                "user: `root` already exists; set its password with `with_root_password`".into(),
            );
        }
        match self.scripts.iter().find(|(name, _)| name.is_empty() || name.contains(['/', '\0'])) {
            Some((name, _)) => refused(format!("init script: `{name}` is no file name")),
            None => Ok(()),
        }
    }

    pub(super) fn configure(
        &self,
        flavor: &Flavor,
        mut container: ContainerBuilder,
    ) -> Result<ContainerBuilder> {
        self.check()?;
        let mounts = &container.spec().mounts;
        let mounted = mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        if !mounted && !self.durable {
            container = container.with_tmpfs(DATA);
        }
        for (number, (name, script)) in self.scripts.iter().enumerate() {
            let target = format!("/docker-entrypoint-initdb.d/{:03}-{name}", number + 1);
            container = container.with_copy(CopySource::bytes(script.clone()), target);
        }
        if container.spec().command.is_none() {
            container = container.with_command(self.command(flavor));
        }
        container = self.with_certificates(container)?;
        let variable = |name: &str| format!("{}_{name}", flavor.variables);
        Ok(container
            .with_env(variable("ROOT_PASSWORD"), &self.login.root)
            .with_env(variable("DATABASE"), &self.login.database)
            .with_env(variable("USER"), &self.login.user)
            .with_env(variable("PASSWORD"), &self.login.password)
            .with_wait(ready::wait(flavor.name)))
    }

    /// Returns the command. The last value of an option counts, so the user's come last.
    fn command(&self, flavor: &Flavor) -> Vec<String> {
        let mut command = vec![flavor.program.to_owned()];
        command.extend(OWN.map(str::to_owned));
        if !self.durable {
            command.extend(FAST.map(str::to_owned));
        }
        command.extend(self.config.iter().map(|(key, value)| format!("--{key}={value}")));
        command
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other one has to")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    #[cfg(feature = "tls")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, DIRECTORY, names};

        let Some(further) = &self.tls else { return Ok(container) };
        let mut command = container.spec().command.clone().unwrap_or_default();
        for (option, file) in
            [("ssl-ca", "ca.crt"), ("ssl-cert", "server.crt"), ("ssl-key", "server.key")]
        {
            command.push(format!("--{option}={DIRECTORY}/{file}"));
        }
        let container = container.with_command(command);
        let names = names(container.spec(), further);
        Ok(Certificates::generate(&names)?.copy_into(container, &names, OWNER))
    }
}

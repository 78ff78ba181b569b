//! [`RabbitMq`]: the description of a broker.

use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};

use super::login::Login;
use super::{MANAGEMENT_PORT, PORT, RabbitMqServer, ready};
use crate::shape::{SLOW, module};

/// The data directory.
const DATA: &str = "/var/lib/rabbitmq";
const CONFIG: &str = "/etc/rabbitmq/conf.d/90-castoff.conf";
const PLUGINS: &str = "/etc/rabbitmq/enabled_plugins";

/// A description of a RabbitMQ broker. Nothing happens before [`start`](Self::start).
///
/// By default: image `rabbitmq:4`; user and password `guest`, who may connect from everywhere; the
/// virtual host `/`; the management plugin, and data in memory. It is ready when a connection to
/// the virtual host is open, and the management interface answers.
#[must_use = "nothing is started before `start()`"]
pub struct RabbitMq {
    container: ContainerBuilder,
    user: String,
    password: String,
    vhost: String,
    plugins: Vec<String>,
    config: Vec<(String, String)>,
}

impl RabbitMq {
    /// Describes a broker with all defaults.
    pub fn new() -> Self {
        RabbitMq {
            container: Container::builder("rabbitmq:4")
                .with_port(PORT)
                .with_startup_timeout(SLOW)
                .with_port(MANAGEMENT_PORT),
            user: "guest".into(),
            password: "guest".into(),
            vhost: "/".into(),
            plugins: vec!["rabbitmq_management".into()],
            config: Vec::new(),
        }
    }

    /// Sets the administrator's name, in ASCII and without a colon.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the administrator's password, in ASCII.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Sets the initial virtual host, in ASCII. Default: `/`.
    pub fn with_vhost(mut self, vhost: impl Into<String>) -> Self {
        self.vhost = vhost.into();
        self
    }

    /// Adds a plugin besides `rabbitmq_management`, such as `rabbitmq_stream`. The image must
    /// contain it.
    pub fn with_plugin(mut self, name: impl Into<String>) -> Self {
        self.plugins.push(name.into());
        self
    }

    /// Sets an option of `rabbitmq.conf`: `channel_max`, `consumer_timeout`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Returns the settings as a file. The last value of a key counts.
    fn file(&self) -> Result<String> {
        let mut file = String::from("loopback_users = none\n");
        for (key, value) in &self.config {
            if key.is_empty() || [key, value].iter().any(|text| text.contains(['\n', '\r'])) {
                let what = format!("config: `{key}` and its value have to be one line");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
            file.push_str(&format!("{key} = {value}\n"));
        }
        Ok(file)
    }

    fn check(&self) -> Result<()> {
        let options = [("user", &self.user), ("password", &self.password), ("vhost", &self.vhost)];
        for (option, value) in options {
            // These are AMQP's short strings, and the broker reads characters beyond ASCII in
            // another encoding.
            if value.is_empty() || value.len() > 255 || value.contains('\0') || !value.is_ascii() {
                let what = format!("{option}: it must have 1 to 255 ASCII characters, and no NUL");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
        }
        if self.user.contains(':') {
            return Err(Error::new(ErrorKind::InvalidInput, "user: it must not have a colon"));
        }
        let name = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match self.plugins.iter().find(|plugin| !name(plugin)) {
            Some(plugin) => {
                let what = format!("plugin: `{plugin}` is no name of one");
                Err(Error::new(ErrorKind::InvalidInput, what))
            }
            None => Ok(()),
        }
    }
}

module!(RabbitMq => RabbitMqServer, "rabbitmq", user, vhost);

impl Module for RabbitMq {
    type Server = RabbitMqServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        self.check()?;
        let mounts = &container.spec().mounts;
        if mounts.iter().all(|mount| mount.target.trim_end_matches('/') != DATA) {
            container = container.with_tmpfs(DATA);
        }
        let plugins = format!("[{}].\n", self.plugins.join(","));
        Ok(container
            .with_copy(self.file()?.as_bytes(), CONFIG)
            .with_copy(plugins.as_bytes(), PLUGINS)
            .with_env("RABBITMQ_DEFAULT_USER", &self.user)
            .with_env("RABBITMQ_DEFAULT_PASS", &self.password)
            .with_env("RABBITMQ_DEFAULT_VHOST", &self.vhost)
            .with_wait(ready::connection(&self.user, &self.password, &self.vhost))
            .with_wait(ready::management(&self.user, &self.password)))
    }

    async fn into_server(self, container: Container) -> Result<RabbitMqServer> {
        let login = Login { user: self.user, password: self.password, vhost: self.vhost };
        RabbitMqServer::new(container, login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines() {
        let module = RabbitMq::new().with_config("channel_max", "7");
        assert_eq!(module.file().unwrap(), "loopback_users = none\nchannel_max = 7\n");
        let error = RabbitMq::new().with_config("a", "b\nc").file().unwrap_err();
        assert!(error.to_string().contains("`a`"), "{error}");
    }

    #[test]
    fn what_can_not_be_is_named() {
        for (module, option) in [
            (RabbitMq::new().with_user("a:b"), "user"),
            (RabbitMq::new().with_password(""), "password"),
            (RabbitMq::new().with_password("ü"), "password"),
            (RabbitMq::new().with_vhost("x".repeat(256)), "vhost"),
            (RabbitMq::new().with_plugin("a]."), "plugin"),
        ] {
            let error = module.configure(Container::builder("x")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }

    #[test]
    fn credentials_are_in_the_environment_and_not_in_debug() {
        let module = RabbitMq::new().with_user("ann").with_password("sesame");
        assert!(!format!("{module:?}").contains("sesame"));
        let lowered = module.configure(Container::builder("x")).unwrap();
        assert_eq!(lowered.spec().env["RABBITMQ_DEFAULT_PASS"], "sesame");
    }
}

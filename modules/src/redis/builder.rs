//! [`Redis`]: what a server is to be.

use castoff::{Container, ContainerBuilder, Module, Result};

use super::{PORT, RedisServer, ready};
use crate::shape::recipe;

/// Where the data lies.
const DATA: &str = "/data";

/// Describes a Redis server. Nothing happens before [`start`](Self::start).
///
/// By default: image `redis:7`; no password; data in memory, without snapshots. It is ready when
/// it answers `PING`, so not before it has loaded what it has to load.
#[must_use = "nothing is started before `start()`"]
pub struct Redis {
    container: ContainerBuilder,
    password: Option<String>,
    config: Vec<(String, String)>,
}

impl Redis {
    /// A server with everything by default.
    pub fn new() -> Self {
        let container = Container::builder("redis:7").with_port(PORT);
        Redis { container, password: None, config: Vec::new() }
    }

    /// The password of the default user. Default: none.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A server setting, passed as `--key value`. It wins over this module's own.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}

recipe!(Redis => RedisServer, "redis");

impl Module for Redis {
    type Server = RedisServer;

    fn container_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn lower(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        let spec = container.spec();
        let mounted = spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        let has_command = spec.command.is_some();
        let password = self.password.as_deref();
        if !mounted {
            container = container.with_tmpfs(DATA);
        }
        if !has_command {
            container = container.with_command(command(password, &self.config));
        }
        Ok(container.with_wait(ready::wait(password)))
    }

    async fn attach(self, container: Container) -> Result<RedisServer> {
        RedisServer::new(container, self.password)
    }
}

/// The last setting of a name counts, so the user's go last.
fn command(password: Option<&str>, config: &[(String, String)]) -> Vec<String> {
    let mut command: Vec<String> = ["redis-server", "--save", ""].map(str::to_owned).into();
    let password = password.map(|password| ("requirepass", password));
    let theirs = config.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in password.into_iter().chain(theirs) {
        command.extend([format!("--{key}"), value.to_owned()]);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::spec::{ContainerSpec, Mount};

    fn spec(mut server: Redis) -> ContainerSpec {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        server.lower(container).unwrap().spec().clone()
    }

    #[test]
    fn by_default_data_is_in_memory_and_no_snapshot_is_taken() {
        let spec = spec(Redis::new());
        assert_eq!(spec.image, "redis:7");
        assert_eq!(spec.mounts, [Mount::tmpfs(DATA)]);
        assert_eq!(spec.command.unwrap_or_default(), ["redis-server", "--save", ""]);
    }

    #[test]
    fn password_and_settings_are_arguments() {
        let server = Redis::new().with_tag("7.2").with_password("a b").with_config("hz", "50");
        let spec = spec(server);
        assert_eq!(spec.image, "redis:7.2");
        let command = spec.command.unwrap_or_default();
        assert_eq!(command[3..], ["--requirepass", "a b", "--hz", "50"]);
    }

    #[test]
    fn a_mount_of_the_users_takes_the_place_of_ours() {
        let server = Redis::new().customize(|container| container.with_bind("/srv/redis", "/data"));
        assert_eq!(spec(server).mounts, [Mount::bind("/srv/redis", "/data")]);
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let server = Redis::new().with_password("sesame").with_config("masterauth", "sesame");
        assert!(!format!("{server:?} {:?}", server.container).contains("sesame"));
    }
}

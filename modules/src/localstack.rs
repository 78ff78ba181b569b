//! LocalStack, services of AWS on this machine: [`LocalStack`] describes one, [`LocalStackServer`] is
//! one that runs.
//!
//! **Not run in castoff's CI**, as its image can't be had there: it is written from the image's
//! documentation, and `cargo xtask test --registry` runs it where a registry answers.

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{SLOW, Service, module, server};

/// The port of all services in the container.
pub const PORT: u16 = 4566;

/// Describes a LocalStack. Nothing happens before [`start`](Self::start).
///
/// By default: image `localstack/localstack:4.0`, with all the services that it has, each started when
/// it is first used. It is ready when it answers as to its health.
#[must_use = "nothing is started before `start()`"]
pub struct LocalStack {
    container: ContainerBuilder,
    services: Vec<String>,
}

impl LocalStack {
    /// A server with everything by default.
    pub fn new() -> Self {
        LocalStack {
            container: Container::builder("localstack/localstack:4.0")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
            services: Vec::new(),
        }
    }

    /// Only these services: `s3`, `sqs`, `dynamodb`. May be called several times.
    pub fn with_service(mut self, name: impl Into<String>) -> Self {
        self.services.push(name.into());
        self
    }

    /// A setting, as a variable of the environment: `DEBUG`, `PERSISTENCE`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(LocalStack => LocalStackServer, "localstack/localstack");

impl Module for LocalStack {
    type Server = LocalStackServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let mut container = container;
        if !self.services.is_empty() {
            container = container.with_env("SERVICES", self.services.join(","));
        }
        let health = Request::new("GET", "/_localstack/health");
        Ok(container.with_wait(until_answer("LocalStack to be healthy", PORT, health, |answer| {
            answer.status == 200 && !answer.body.contains(r#""initializing""#)
        })))
    }

    async fn into_server(self, container: Container) -> Result<LocalStackServer> {
        Ok(LocalStackServer { service: Service::new(container, PORT)? })
    }
}

/// A LocalStack, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct LocalStackServer {
    service: Service,
}

server!(LocalStackServer);

impl LocalStackServer {
    /// The URL for a client on this machine, the endpoint of every service: `http://127.0.0.1:49153`. Any
    /// credentials will do.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The URL for a client in a network that the container is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Runs `awslocal` in the container, such as `["s3", "mb", "s3://mine"]`. What it prints comes
    /// back.
    ///
    /// # Errors
    /// With what it said when it failed.
    ///
    /// # Cancel safety
    /// It may go on when the future is dropped.
    pub async fn awslocal(&self, arguments: &[&str]) -> Result<String> {
        let command = ["awslocal"].into_iter().chain(arguments.iter().copied());
        Ok(self.container().exec(command).await?.ok()?.stdout_text().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn localstack_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(LocalStack::new().with_service("s3").with_service("sqs")));
    }
}

//! LocalStack, services of AWS on this machine: [`LocalStack`] describes one, [`LocalStackServer`]
//! is a handle to a running one.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{SLOW, Service, module, server};

/// The port of all services in the container.
pub const PORT: u16 = 4566;

/// A description of a LocalStack. Nothing happens before [`start`](Self::start).
///
/// By default: image `localstack/localstack:4.0`, with all of its services, each started at its
/// first use. It is ready when it reports its health.
#[must_use = "nothing is started before `start()`"]
pub struct LocalStack {
    container: ContainerBuilder,
    services: Vec<String>,
}

impl LocalStack {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        LocalStack {
            container: Container::builder("localstack/localstack:4.0")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
            services: Vec::new(),
        }
    }

    /// Limits LocalStack to the services that are named by these calls: `s3`, `sqs`, `dynamodb`.
    pub fn with_service(mut self, name: impl Into<String>) -> Self {
        self.services.push(name.into());
        self
    }

    /// Sets an environment variable of the image: `DEBUG`, `PERSISTENCE`.
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
    /// Returns the URL for a client on this machine, the endpoint of every service:
    /// `http://127.0.0.1:49153`. Any credentials are accepted.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the container is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Runs `awslocal` in the container, such as `["s3", "mb", "s3://mine"]`. Returns its output.
    ///
    /// # Errors
    /// Fails with the output of `awslocal` if it fails.
    ///
    /// # Cancel safety
    /// It may continue after the future is dropped.
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

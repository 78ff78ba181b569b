//! [`RabbitMqServer`]: the handle to a running broker.

use castoff::{Container, Result};

use super::login::Login;
use super::{MANAGEMENT_PORT, PORT, Vhost};
use crate::shape::{Service, server};
use crate::unique::token;
use crate::url::encode;

/// A RabbitMQ broker, removed with its data when this handle and those of its virtual hosts are
/// dropped.
#[must_use = "the broker is removed when its handle is dropped"]
pub struct RabbitMqServer {
    service: Service,
    login: Login,
}

server!(RabbitMqServer);

impl RabbitMqServer {
    pub(super) fn new(container: Container, login: Login) -> Result<Self> {
        Ok(RabbitMqServer { service: Service::new(container, PORT)?, login })
    }

    /// Returns the URL of the initial virtual host, for a client on this machine:
    /// `amqp://guest:guest@127.0.0.1:49153/%2F`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(&self.login.vhost)
    }

    /// Returns the URL of another virtual host of this broker.
    #[must_use]
    pub fn url_for(&self, vhost: &str) -> String {
        self.login.url(self.addr(), vhost)
    }

    /// Returns the URL for a client in a network that the broker is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.login.url(self.network_addr(), &self.login.vhost)
    }

    /// The URL of the management interface, for a browser on this machine; `None` while the broker is
    /// stopped.
    #[must_use]
    pub fn management_url(&self) -> Option<String> {
        let addr = self.container().addr(MANAGEMENT_PORT).ok()?;
        Some(format!("http://{addr}"))
    }

    /// Returns the administrator's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.login.user
    }

    /// Returns the administrator's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.login.password
    }

    /// Creates a virtual host for one test, deleted when its handle is dropped.
    ///
    /// # Errors
    /// Fails if the broker can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// If the future is dropped, an empty virtual host may stay until the broker is removed.
    pub async fn vhost(&self) -> Result<Vhost> {
        let name = format!("castoff-{}", token());
        let made = Vhost::new(self.container().clone(), self.login.clone(), name.clone())?;
        self.call("PUT", &format!("vhosts/{name}"), "").await?;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        let user = encode(&self.login.user);
        self.call("PUT", &format!("permissions/{name}/{user}"), everything).await?;
        Ok(made)
    }

    /// Imports definitions in RabbitMQ's own format: queues, exchanges, bindings, users, policies,
    /// as the management interface exports them.
    ///
    /// # Errors
    /// Fails with the broker's reason if it refuses, or if it can't be reached.
    ///
    /// # Cancel safety
    /// They may be imported even if the future is dropped.
    pub async fn define(&self, json: impl AsRef<str>) -> Result<()> {
        self.call("POST", "definitions", json.as_ref()).await
    }

    /// Removes all waiting messages from a queue.
    ///
    /// # Errors
    /// Fails if there is no such queue, or the broker can't be reached.
    ///
    /// # Cancel safety
    /// They may be removed even if the future is dropped.
    pub async fn purge(&self, vhost: &str, queue: &str) -> Result<()> {
        let path = format!("queues/{}/{}/contents", encode(vhost), encode(queue));
        self.call("DELETE", &path, "").await
    }

    async fn call(&self, method: &'static str, path: &str, body: &str) -> Result<()> {
        let addr = self.container().addr(MANAGEMENT_PORT)?;
        self.login.request(method, path).with_json(body).send_ok(addr).await.map(drop)
    }
}

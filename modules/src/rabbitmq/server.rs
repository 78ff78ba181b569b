//! [`RabbitMqServer`]: the handle to a running broker.

use std::fmt::Display;

use castoff::{Container, Result};

use super::{MANAGEMENT_PORT, PORT, Vhost};
use crate::http::Request;
use crate::shape::{Service, server};
use crate::unique::token;
use crate::url::encode;

/// A RabbitMQ broker, removed with its data when this handle and those of its virtual hosts are
/// dropped.
#[must_use = "the broker is removed when its handle is dropped"]
pub struct RabbitMqServer {
    service: Service,
    parts: Parts,
}

/// The data that a client needs, besides the address.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) vhost: String,
}

server!(RabbitMqServer);

impl RabbitMqServer {
    pub(super) fn new(container: Container, parts: Parts) -> Result<Self> {
        Ok(RabbitMqServer { service: Service::new(container, PORT)?, parts })
    }

    /// Returns the URL of the initial virtual host, for a client on this machine:
    /// `amqp://guest:guest@127.0.0.1:49153/%2F`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(&self.parts.vhost)
    }

    /// Returns the URL of another virtual host of this broker.
    #[must_use]
    pub fn url_for(&self, vhost: &str) -> String {
        url(&self.parts, self.addr(), vhost)
    }

    /// Returns the URL for a client in a network that the broker is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(&self.parts, self.network_addr(), &self.parts.vhost)
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
        &self.parts.user
    }

    /// Returns the administrator's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.parts.password
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
        let made = Vhost::new(self.container().clone(), self.parts.clone(), name.clone())?;
        self.call("PUT", &format!("vhosts/{name}"), "").await?;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        let user = encode(&self.parts.user);
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
        request(&self.parts, method, path).with_json(body).send_ok(addr).await.map(drop)
    }
}

/// Returns a request to the management interface.
pub(super) fn request(parts: &Parts, method: &'static str, path: &str) -> Request {
    Request::new(method, format!("/api/{path}")).with_basic_auth(&parts.user, &parts.password)
}

pub(super) fn url(parts: &Parts, addr: impl Display, vhost: &str) -> String {
    let (user, password) = (encode(&parts.user), encode(&parts.password));
    format!("amqp://{user}:{password}@{addr}/{}", encode(vhost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let parts = Parts { user: "a@b".into(), password: "p/w:d".into(), vhost: "/".into() };
        assert_eq!(url(&parts, "127.0.0.1:5672", "/"), "amqp://a%40b:p%2Fw%3Ad@127.0.0.1:5672/%2F");
    }
}

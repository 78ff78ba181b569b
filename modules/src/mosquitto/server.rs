//! [`MosquittoServer`]: the handle to a running broker.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use castoff::{Container, Error, ErrorKind, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::packet::{
    CONNACK, DISCONNECT, IDENTIFIER, Login, PUBACK, connect, meaning, publish, read,
};
use super::{PORT, WEBSOCKET_PORT};
use crate::shape::{Service, server};
use crate::unique::token;
use crate::url::encode;

/// Limit for the time of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit for a payload: the longest packet, less the most that can precede the payload.
const LONGEST: usize = 0x0fff_ffff - 70_000;

/// An Eclipse Mosquitto broker, removed with its data when this handle is dropped.
#[must_use = "the broker is removed when its handle is dropped"]
pub struct MosquittoServer {
    service: Service,
    login: Option<(String, String)>,
    ca: Option<String>,
    websockets: bool,
}

server!(MosquittoServer);

impl MosquittoServer {
    pub(super) fn new(
        container: Container,
        port: u16,
        login: Option<(String, String)>,
        ca: Option<String>,
        websockets: bool,
    ) -> Result<Self> {
        Ok(MosquittoServer { service: Service::new(container, port)?, login, ca, websockets })
    }

    /// Returns the URL for a client on this machine: `mqtt://127.0.0.1:49153`, with the first
    /// user's name and password if there are users. With TLS it begins with `mqtts`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.scheme(), self.login(), self.addr())
    }

    /// Returns the URL for a client in a network that the broker is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(self.scheme(), self.login(), self.network_addr())
    }

    /// Returns the URL for a client on this machine that speaks MQTT over websockets, if they are
    /// enabled: `ws://127.0.0.1:49154`. It contains no credentials; MQTT has its own.
    #[must_use]
    pub fn websocket_url(&self) -> Option<String> {
        let addr = self.container().addr(WEBSOCKET_PORT).ok().filter(|_| self.websockets)?;
        Some(format!("ws://{addr}"))
    }

    /// Returns the name of the first user, if there are users.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.login().map(|(name, _)| name)
    }

    /// Returns the password of the first user, if there are users.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.login().map(|(_, password)| password)
    }

    /// Returns the certificate, in PEM, that a client must trust; `None` without TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Returns a unique prefix for topics: `7f3a90c1d2e4/`.
    #[must_use]
    pub fn unique_prefix(&self) -> String {
        format!("{}/", token())
    }

    /// Publishes a message, as the first user if there are users, and waits for the broker to
    /// acknowledge it (quality of service 1). A broker also acknowledges messages that its rules
    /// forbid.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a topic that is empty or contains `+`, `#` or NUL, or a
    /// message longer than MQTT allows; [`ErrorKind::Io`] if the broker can't be reached or rejects
    /// it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message may or may not have been published.
    pub async fn publish(&self, topic: &str, payload: impl AsRef<[u8]>) -> Result<()> {
        self.send(topic, payload.as_ref(), false).await
    }

    /// Publishes a message like [`publish`](Self::publish), and makes the broker keep it for later
    /// subscribers. An empty one deletes the message that was kept.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// As for [`publish`](Self::publish).
    pub async fn retain(&self, topic: &str, payload: impl AsRef<[u8]>) -> Result<()> {
        self.send(topic, payload.as_ref(), true).await
    }

    async fn send(&self, topic: &str, payload: &[u8], retain: bool) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        if topic.is_empty() || topic.contains(['+', '#', '\0']) {
            return refused(format!("topic: {topic:?} is none to publish to"));
        }
        if topic.len() > usize::from(u16::MAX) || payload.len() > LONGEST {
            return refused("topic or payload: longer than MQTT can tell".into());
        }
        let addr = self.container().addr(PORT)?;
        let sending = converse(addr, self.login(), publish(topic, payload, retain));
        let sent = timeout(PATIENCE, sending).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| Error::new(ErrorKind::Io, addr.to_string()).with_source(error))
    }

    fn login(&self) -> Login<'_> {
        self.login.as_ref().map(|(name, password)| (name.as_str(), password.as_str()))
    }

    fn scheme(&self) -> &'static str {
        if self.ca.is_some() { "mqtts" } else { "mqtt" }
    }
}

async fn converse(addr: SocketAddr, login: Login<'_>, message: Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(&connect(login)).await?;
    match read(&mut stream).await? {
        (CONNACK, body) if body == [0, 0] => {}
        (CONNACK, body) => {
            return Err(io::Error::other(meaning(body.last().copied().unwrap_or(u8::MAX))));
        }
        (kind, _) => return Err(io::Error::other(format!("the broker answered {kind:#x}"))),
    }
    stream.write_all(&message).await?;
    match read(&mut stream).await? {
        (PUBACK, body) if body == IDENTIFIER => stream.write_all(&DISCONNECT).await,
        (kind, _) => Err(io::Error::other(format!("the broker answered {kind:#x}"))),
    }
}

fn url(scheme: &str, login: Login<'_>, addr: impl Display) -> String {
    match login {
        Some((name, password)) => {
            format!("{scheme}://{}:{}@{addr}", encode(name), encode(password))
        }
        None => format!("{scheme}://{addr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_credentials_encoded_if_there_are_some() {
        assert_eq!(url("mqtt", None, "127.0.0.1:1883"), "mqtt://127.0.0.1:1883");
        let login = Some(("a b", "p@ss/1"));
        assert_eq!(url("mqtts", login, "q:8883"), "mqtts://a%20b:p%40ss%2F1@q:8883");
    }
}

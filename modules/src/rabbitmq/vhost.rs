//! [`Vhost`]: a virtual host for one test.

use std::fmt;
use std::net::SocketAddr;

use castoff::{Container, Result};

use super::login::Login;
use super::{MANAGEMENT_PORT, PORT};

/// A virtual host for one test; created by [`RabbitMqServer::vhost`](super::RabbitMqServer::vhost).
///
/// It holds a share of the broker. Dropping it hands the deletion to a thread and returns. If the
/// process ends before that is done, an unused virtual host stays until the broker is removed.
#[must_use = "the virtual host is deleted with its handle"]
pub struct Vhost {
    broker: Container,
    addr: SocketAddr,
    login: Login,
    name: String,
}

impl Vhost {
    pub(super) fn new(broker: Container, login: Login, name: String) -> Result<Self> {
        let addr = broker.addr(PORT)?;
        Ok(Vhost { broker, addr, login, name })
    }

    /// Returns the URL for a client on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        self.login.url(self.broker.addr(PORT).unwrap_or(self.addr), &self.name)
    }

    /// Returns the URL for a client in a network that the broker is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.login.url(format!("{}:{PORT}", self.broker.name()), &self.name)
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // A stopped broker needs no cleanup.
        let Ok(addr) = self.broker.addr(MANAGEMENT_PORT) else { return };
        self.login.request("DELETE", &format!("vhosts/{}", self.name)).send_in_background(addr);
    }
}

impl fmt::Debug for Vhost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vhost").field("name", &self.name).finish_non_exhaustive()
    }
}

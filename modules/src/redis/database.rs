//! [`Database`]: a logical database for one test.

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use castoff::{Container, ContainerLock, Result};

use super::access::Access;
use super::lease;
use super::resp::command;

/// A logical database for one test, emptied when this handle is dropped.
///
/// It holds a share of the server, which therefore lives as long as its databases, and a lock. The
/// lock excludes others across threads and processes, until it is dropped or its process ends for
/// whatever reason, even if the server is restarted or all its connections are ended. A database
/// that still has a connected client is not given to others either.
#[must_use = "the database is emptied when its handle is dropped"]
pub struct Database {
    server: Container,
    port: u16,
    addr: SocketAddr,
    access: Access,
    number: u32,
    lease: TcpStream,
    _lock: ContainerLock,
}

impl Database {
    pub(super) async fn claim(server: &Container, port: u16, access: &Access) -> Result<Self> {
        let mut session = access.session(server).await?;
        let (number, lock) = lease::claim(server, &mut session).await?;
        Ok(Database {
            server: server.clone(),
            port,
            addr: server.addr(port)?,
            access: access.clone(),
            number,
            lease: session.into_std()?,
            _lock: lock,
        })
    }

    /// Returns the URL for a client on this machine: `redis://127.0.0.1:49153/17`.
    #[must_use]
    pub fn url(&self) -> String {
        self.at(self.access.url(self.server.addr(self.port).unwrap_or(self.addr)))
    }

    /// Returns the [`url`](Self::url) for a user other than `default`.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let addr = self.server.addr(self.port).unwrap_or(self.addr);
        self.at(self.access.url_as(user, password, addr))
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.at(self.access.url(format!("{}:{}", self.server.name(), self.port)))
    }

    /// Returns its number, for `SELECT`.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the server's container.
    pub fn container(&self) -> &Container {
        &self.server
    }

    fn at(&self, url: String) -> String {
        format!("{url}/{}", self.number)
    }
}

impl Drop for Database {
    /// Sends the command without blocking; the server closes the connection when it is done. If it
    /// does not arrive, the next user of the database empties it.
    fn drop(&mut self) {
        // A database inherited in a fork still belongs to the parent process.
        let inherited = |error: castoff::Error| error.kind() == castoff::ErrorKind::Conflict;
        if self.server.addr(super::PORT).is_err_and(inherited) {
            return;
        }
        let _ = self.lease.write(&command(&["FLUSHDB", "ASYNC"]));
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("number", &self.number)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

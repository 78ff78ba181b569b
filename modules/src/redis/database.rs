//! [`Database`]: a logical database of one's own.

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use castoff::{Container, ContainerLock, Result};

use super::access::Access;
use super::lease;
use super::resp::command;

/// A logical database that nobody else is given, emptied when this handle is dropped.
///
/// It holds a share of the server, which so lives as long as its databases, and a lock, which is
/// what keeps others away: across threads and processes, until it is dropped or its process ends,
/// however it does, also if the server is restarted or all its connections are ended. As long as a
/// client is still in it nobody else gets it either.
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

    /// The URL for a client on this machine: `redis://127.0.0.1:49153/17`.
    #[must_use]
    pub fn url(&self) -> String {
        self.at(self.access.url(self.server.addr(self.port).unwrap_or(self.addr)))
    }

    /// As [`url`](Self::url), for another user than `default`.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let addr = self.server.addr(self.port).unwrap_or(self.addr);
        self.at(self.access.url_as(user, password, addr))
    }

    /// The URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.at(self.access.url(format!("{}:{}", self.server.name(), self.port)))
    }

    /// Its number, which clients `SELECT`.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The server's container.
    pub fn container(&self) -> &Container {
        &self.server
    }

    fn at(&self, url: String) -> String {
        format!("{url}/{}", self.number)
    }
}

impl Drop for Database {
    /// The connection does not block, and closes when what was sent has been done. Should it not
    /// arrive, the next one who gets the database empties it.
    fn drop(&mut self) {
        // Of a process that this one was forked from, which goes on with it.
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

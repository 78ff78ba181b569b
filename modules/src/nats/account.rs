//! [`Account`]: an account for one test.
//!
//! The container's lock marks an account as taken, so a restart of the server does not release it.
//! No clock matters, and the end of a process, for whatever reason, releases its accounts. An
//! account that still has a connected client counts as taken.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use castoff::{Container, ContainerLock, Error, ErrorKind, Result};

use super::PORT;
use super::access::Access;
use super::config::{pooled_account, pooled_user};
use super::session::{Login, Session, number};
use crate::unique::token;

/// Limit for waiting for an account when all are taken: one that was just dropped is free as soon
/// as the server has noticed.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
/// Limit for the server to delete the data of an account that is returned.
const FAREWELL: Duration = Duration::from_secs(10);

/// An account for one test: nobody else sees its subjects, streams, buckets and consumers. They are
/// deleted when this handle is dropped.
///
/// It holds a share of the server, which therefore lives as long as its accounts, and a lock. The
/// lock excludes others across threads and processes, until it is dropped or its process ends for
/// whatever reason, even if the server is restarted. An account that still has a connected client
/// is not given to others either.
#[must_use = "the account is given back when its handle is dropped"]
pub struct Account {
    server: Container,
    addr: SocketAddr,
    access: Access,
    name: String,
    user: String,
    lease: Option<Lease>,
}

/// The lock, and two connections that are kept for the end: one in the account, and one that can
/// empty it.
struct Lease {
    inside: TcpStream,
    system: TcpStream,
    lock: ContainerLock,
}

impl Account {
    pub(super) async fn claim(server: &Container, access: &Access, pool: u32) -> Result<Self> {
        let addr = server.addr(PORT)?;
        let mut system = Session::open(addr, &Login::system()).await?;
        let began = Instant::now();
        let (number, inside, lock) = loop {
            if let Some(found) = attempt(server, addr, &mut system, pool).await? {
                break found;
            }
            if began.elapsed() > PATIENCE {
                let message = format!("all {pool} accounts of the server for tests are in use");
                return Err(Error::new(ErrorKind::Conflict, message)
                    .with_hint("drop some, or raise their number by `with_accounts`"));
            }
            tokio::time::sleep(PAUSE).await;
        };
        let name = pooled_account(number);
        empty(&mut system, &name).await?;
        let lease = Lease { inside: inside.into_std()?, system: system.into_std()?, lock };
        let (server, access, user) = (server.clone(), access.clone(), pooled_user(number));
        Ok(Account { server, addr, access, name, user, lease: Some(lease) })
    }

    /// Returns the URL for a client on this machine: `nats://castoff-7:castoff-7@127.0.0.1:49153`.
    /// Some clients [ignore its credentials](super#credentials-in-urls).
    #[must_use]
    pub fn url(&self) -> String {
        self.access.url(&self.login(), self.server.addr(PORT).unwrap_or(self.addr))
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.access.url(&self.login(), format!("{}:{PORT}", self.server.name()))
    }

    /// Returns the account's name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of its user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password of its user.
    #[must_use]
    pub fn password(&self) -> &str {
        // It protects no secret: anybody can claim an account.
        &self.user
    }

    /// Returns the server's container.
    pub fn container(&self) -> &Container {
        &self.server
    }

    fn login(&self) -> Login {
        Login::User(self.user().to_owned(), self.password().to_owned())
    }
}

impl Drop for Account {
    /// Leaves the account on a thread, once the server has emptied it: a late deletion would affect
    /// the next user. If that fails, the next user empties it.
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        // An account inherited in a fork still belongs to the parent process.
        let inherited = |error: castoff::Error| error.kind() == castoff::ErrorKind::Conflict;
        if self.server.addr(PORT).is_err_and(inherited) {
            return;
        }
        let name = self.name.clone();
        let thread = std::thread::Builder::new().name("castoff-nats".into());
        let _ = thread.spawn(move || lease.end(&name));
    }
}

impl Lease {
    fn end(self, account: &str) {
        // A server that is gone does not need to be emptied.
        let _ = farewell(self.system, account);
        drop(self.inside);
        drop(self.lock);
    }
}

/// Asks the server to empty an account, and waits for any answer.
fn farewell(mut system: TcpStream, account: &str) -> io::Result<()> {
    system.set_nonblocking(false)?;
    system.set_read_timeout(Some(FAREWELL))?;
    system.set_write_timeout(Some(FAREWELL))?;
    let (subject, inbox) = (emptying(account), format!("_INBOX.castoff.{}", token()));
    system.write_all(format!("SUB {inbox} end\r\nPUB {subject} {inbox} 0\r\n\r\n").as_bytes())?;
    let answer = format!("MSG {inbox} ");
    for line in BufReader::new(system).lines() {
        if line?.contains(&answer) {
            break;
        }
    }
    Ok(())
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Returns a connection in an account that nobody holds or is connected to, with its lock; `None`
/// if all are taken.
async fn attempt(
    server: &Container,
    addr: SocketAddr,
    system: &mut Session,
    pool: u32,
) -> Result<Option<(u32, Session, ContainerLock)>> {
    for number in candidates(system.id, pool) {
        let account = pooled_account(number);
        let Some(lock) = server.try_lock(format!("castoff nats account {number}")).await? else {
            continue;
        };
        if connections(system, &account).await? > 0 {
            continue;
        }
        let user = pooled_user(number);
        let inside = Session::open(addr, &Login::User(user.clone(), user)).await?;
        if connections(system, &account).await? == 1 {
            return Ok(Some((number, inside, lock)));
        }
    }
    Ok(None)
}

/// Returns all accounts. Connections are numbered, so each starts at a different account, and one
/// that was returned is reused as late as possible.
fn candidates(id: u64, pool: u32) -> impl Iterator<Item = u32> {
    let start = id.checked_rem(pool.into()).and_then(|start| u32::try_from(start).ok());
    let start = start.unwrap_or(0);
    (0..pool).map(move |step| 1 + (start + step) % pool)
}

/// Returns the number of connections in an account.
async fn connections(system: &mut Session, account: &str) -> Result<u64> {
    let subject = format!("$SYS.REQ.ACCOUNT.{account}.CONNZ");
    let answer = system.ask(&subject, r#"{"limit":1}"#).await?;
    answer
        .and_then(|answer| number(&answer, "total"))
        .ok_or_else(|| Error::other(format!("the server does not tell who is in {account}")))
}

/// Returns the subject that deletes an account's JetStream data.
pub(super) fn emptying(account: &str) -> String {
    format!("$JS.API.ACCOUNT.PURGE.{account}")
}

/// Deletes an account's JetStream data. Without JetStream there is no answer.
pub(super) async fn empty(system: &mut Session, account: &str) -> Result<()> {
    match system.ask(&emptying(account), "").await? {
        Some(answer) if answer.contains("\"error\"") => {
            Err(Error::other(format!("{account} can't be emptied: {answer}")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_account_is_a_candidate() {
        assert_eq!(candidates(1, 3).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!(candidates(u64::MAX, 16).collect::<BTreeSet<_>>(), (1..=16).collect());
        assert_eq!(candidates(7, 0).count(), 0);
    }
}

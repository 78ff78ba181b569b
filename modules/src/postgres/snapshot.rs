//! Snapshots: earlier states of a database, to return to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use castoff::{Error, ErrorKind, Result};
use tokio_postgres::error::SqlState;

use super::admin::{Admin, says};
use super::database::{copy, end_sessions, remove};
use super::sql::identifier;
use super::{PORT, PostgresServer};
use crate::fingerprint::Fingerprint;

/// The pause between two attempts to end the sessions of a database; new clients wait meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

impl PostgresServer {
    /// Keeps the current state of the server's default database under this name, replacing an
    /// earlier one of that name. Open sessions in the database are ended.
    ///
    /// For tests that run in sequence on the same database. If each can have its own,
    /// [`database`](Self::database) is faster and allows them to run at the same time.
    ///
    /// # Errors
    /// Fails if the server can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// It continues when the future is dropped.
    pub async fn snapshot(&self, name: impl AsRef<str>) -> Result<()> {
        self.snapshot_of(self.database_name(), name).await
    }

    /// Keeps the state of another database, like [`snapshot`](Self::snapshot).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such database; otherwise as for
    /// [`snapshot`](Self::snapshot).
    ///
    /// # Cancel safety
    /// As for [`snapshot`](Self::snapshot).
    pub async fn snapshot_of(&self, database: &str, name: impl AsRef<str>) -> Result<()> {
        let (admin, addr) = (Arc::clone(self.admin()), self.container().addr(PORT)?);
        let (database, snapshot) = (database.to_owned(), named(database, name.as_ref()));
        let own = Arc::clone(&admin);
        admin
            .run(async move {
                let making = own.name("making");
                let copying = copy(&own, addr, &database, &making);
                without_sessions(&own, addr, &database, copying).await?;
                own.execute(addr, &format!("ALTER DATABASE {making} ALLOW_CONNECTIONS false"))
                    .await?;
                let old = own.name("db");
                let there = format!("SELECT datname FROM pg_database WHERE datname = '{snapshot}'");
                let mut swap = format!("ALTER DATABASE {making} RENAME TO {snapshot}");
                if !own.names(addr, &there).await?.is_empty() {
                    // Sent together, these are one transaction.
                    swap = format!("ALTER DATABASE {snapshot} RENAME TO {old}; {swap}");
                }
                own.execute(addr, &swap).await?;
                remove(&own, addr, &old).await?;
                Ok(())
            })
            .await
            .map_err(|error| missing(error, "no such database"))
    }

    /// Returns the server's default database to a snapshot. Open sessions in it are ended; clients
    /// that connect meanwhile wait, and find the database in that state. The snapshot stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such snapshot. Also fails if the server can't be
    /// reached, or refuses. The database is then unchanged.
    ///
    /// # Cancel safety
    /// It continues when the future is dropped.
    pub async fn restore(&self, name: impl AsRef<str>) -> Result<()> {
        self.restore_of(self.database_name(), name).await
    }

    /// Returns another database to a snapshot, like [`restore`](Self::restore).
    ///
    /// # Errors
    /// As for [`restore`](Self::restore).
    ///
    /// # Cancel safety
    /// As for [`restore`](Self::restore).
    pub async fn restore_of(&self, database: &str, name: impl AsRef<str>) -> Result<()> {
        let (admin, addr) = (Arc::clone(self.admin()), self.container().addr(PORT)?);
        let (database, snapshot) = (database.to_owned(), named(database, name.as_ref()));
        let own = Arc::clone(&admin);
        let what = format!("no snapshot `{}` of database `{database}`", name.as_ref());
        admin
            .run(async move {
                let (making, old) = (own.name("making"), own.name("db"));
                copy(&own, addr, &snapshot, &making).await?;
                let current = identifier(&database);
                // Sent together, these are one transaction, so a database of that name exists at
                // any time.
                let swap = format!(
                    "ALTER DATABASE {current} RENAME TO {old}; \
                     ALTER DATABASE {making} RENAME TO {current}"
                );
                let swapped =
                    without_sessions(&own, addr, &database, own.execute(addr, &swap)).await;
                let left = if swapped.is_ok() { &old } else { &making };
                remove(&own, addr, left).await?;
                swapped
            })
            .await
            .map_err(|error| missing(error, &what))
    }
}

/// Runs work that is impossible while others have sessions in a database, and ends those meanwhile.
/// The server makes new ones wait, and gives up after five seconds.
async fn without_sessions(
    admin: &Admin,
    addr: SocketAddr,
    database: &str,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let ending = async {
        let sessions = end_sessions(database);
        loop {
            // If this fails, the work fails too.
            let _ = admin.names(addr, &sessions).await;
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = ending => Ok(()),
    }
}

/// Returns the name on the server; the user's name may be too long, and contain anything.
fn named(database: &str, name: &str) -> String {
    let print = Fingerprint::new("snapshot").part(database).part(name);
    format!("castoff_snapshot_{}", print.digits())
}

fn missing(error: Error, what: &str) -> Error {
    if says(&error, &SqlState::UNDEFINED_DATABASE) {
        return Error::new(ErrorKind::NotFound, what).with_source(error);
    }
    error
}

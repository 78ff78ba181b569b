//! [`PgDatabase`]: a database for one test.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use castoff::{Container, Result};
use tokio_postgres::error::SqlState;

use super::PORT;
use super::admin::{Admin, says};

/// The number of spare clones of a template on a server.
const SPARES: usize = 2;
/// The first version in which a clone can be a copy of files, which is faster than the default.
const FILE_COPY: u32 = 150_000;
/// The first version in which a database can be dropped with its sessions.
const FORCE: u32 = 130_000;

/// A database for one test, dropped with this handle; created by
/// [`PostgresServer::database`](super::PostgresServer::database) and its variants.
///
/// It holds a share of the server, which therefore lives as long as its databases. Dropping it
/// hands the work to a thread of this crate and returns; open sessions are ended. If a process ends
/// before that, the next one that creates a database on the server drops what is left.
#[must_use = "the database is dropped with its handle"]
pub struct PgDatabase {
    server: Container,
    addr: SocketAddr,
    admin: Arc<Admin>,
    name: String,
}

impl PgDatabase {
    pub(super) fn new(server: Container, admin: Arc<Admin>, name: String) -> Result<Self> {
        let addr = server.addr(PORT)?;
        Ok(PgDatabase { server, addr, admin, name })
    }

    /// Returns the URL for a client on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        self.admin.login.url(self.server.addr(PORT).unwrap_or(self.addr), &self.name)
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.admin.login.url(format!("{}:{PORT}", self.server.name()), &self.name)
    }

    /// Returns its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the server's container.
    pub fn container(&self) -> &Container {
        &self.server
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        // A stopped server needs no cleanup.
        let Ok(addr) = self.server.addr(PORT) else { return };
        let (admin, name) = (Arc::clone(&self.admin), std::mem::take(&mut self.name));
        self.admin.spawn(async move {
            // The server may be going away as well.
            let _ = remove(&admin, addr, &name).await;
        });
    }
}

impl fmt::Debug for PgDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgDatabase")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Drops a database with all of its sessions.
pub(super) async fn remove(admin: &Admin, addr: SocketAddr, name: &str) -> Result<()> {
    if admin.version(addr).await? >= FORCE {
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        return admin.execute(addr, &sql).await;
    }
    admin.names(addr, &end_sessions(name)).await?;
    admin.execute(addr, &format!("DROP DATABASE IF EXISTS {name}")).await
}

/// Returns the statement that ends all sessions in a database.
pub(super) fn end_sessions(name: &str) -> String {
    let name = super::sql::literal(name);
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = {name} AND pid <> pg_backend_pid()"
    )
}

/// Clones a database under a name of castoff's, with its owner, its privileges and its settings,
/// which PostgreSQL itself leaves out. The original must exist, without sessions.
pub(super) async fn copy(admin: &Admin, addr: SocketAddr, from: &str, to: &str) -> Result<()> {
    let fast = admin.version(addr).await? >= FILE_COPY;
    let strategy = if fast { " STRATEGY FILE_COPY" } else { "" };
    let template = super::sql::identifier(from);
    admin.execute(addr, &format!("CREATE DATABASE {to} TEMPLATE {template}{strategy}")).await?;
    copy_properties(admin, addr, from, to).await
}

/// Copies the content of `pg_database` and `pg_db_role_setting` about one database to another.
pub(super) async fn copy_properties(
    admin: &Admin,
    addr: SocketAddr,
    from: &str,
    to: &str,
) -> Result<()> {
    let from = super::sql::literal(from);
    let sql = format!(
        "DO $do$ DECLARE old record; new oid; entry record; BEGIN \
           SELECT oid, datacl, pg_get_userbyid(datdba) AS owner INTO old \
             FROM pg_database WHERE datname = {from}; \
           SELECT oid INTO new FROM pg_database WHERE datname = '{to}'; \
           IF old.owner <> current_user THEN \
             EXECUTE format('ALTER DATABASE {to} OWNER TO %I', old.owner); \
           END IF; \
           IF old.datacl IS NOT NULL THEN \
             REVOKE ALL ON DATABASE {to} FROM PUBLIC; \
             FOR entry IN SELECT * FROM aclexplode(old.datacl) LOOP \
               EXECUTE format('GRANT %s ON DATABASE {to} TO %s%s', entry.privilege_type, \
                 CASE entry.grantee WHEN 0 THEN 'PUBLIC' \
                   ELSE quote_ident(pg_get_userbyid(entry.grantee)) END, \
                 CASE WHEN entry.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END); \
             END LOOP; \
           END IF; \
           INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig) \
             SELECT new, setrole, setconfig FROM pg_db_role_setting WHERE setdatabase = old.oid; \
         END $do$"
    );
    admin.execute(addr, &sql).await
}

/// Creates a database from a template: takes a spare if there is one, or else makes a clone.
pub(super) async fn take(
    admin: &Arc<Admin>,
    server: &Container,
    addr: SocketAddr,
    template: &str,
) -> Result<String> {
    admin.liveness.hold(server).await?;
    let name = admin.name("db");
    let taken = admin.names(addr, &claim(template, &name)).await;
    // Two callers that want the same spare may collide; then it is not taken.
    if !taken.is_ok_and(|found| found.contains(&name)) {
        copy(admin, addr, template, &name).await?;
    }
    let (background, template) = (Arc::clone(admin), template.to_owned());
    let server = server.clone();
    admin.spawn(async move {
        // No caller depends on either outcome.
        let _ = spare(&background, addr, &template).await;
        let _ = sweep(&background, &server, addr).await;
    });
    Ok(name)
}

/// Returns the prefix of the names of a template's spares.
fn spares_of(template: &str) -> String {
    template.replacen("_template_", "_spare_", 1)
}

/// Returns the statement that renames a spare, if there is one, in one round trip. If two callers
/// want the same one, the second finds it gone and tries the next.
fn claim(template: &str, name: &str) -> String {
    let spares = spares(template);
    format!(
        "DO $do$ DECLARE spare text; BEGIN \
           FOR spare IN {spares} LOOP \
             BEGIN \
               EXECUTE format('ALTER DATABASE %I RENAME TO %I', spare, '{name}'); \
               RETURN; \
             EXCEPTION WHEN OTHERS THEN NULL; \
             END; \
           END LOOP; \
         END $do$; \
         SELECT datname FROM pg_database WHERE datname = '{name}'"
    )
}

/// Returns the query for a template's spares.
fn spares(template: &str) -> String {
    let prefix = spares_of(template);
    let length = prefix.len() + 1;
    format!("SELECT datname FROM pg_database WHERE left(datname, {length}) = '{prefix}_'")
}

/// Creates a clone for the next caller, in this process or another.
async fn spare(admin: &Admin, addr: SocketAddr, template: &str) -> Result<()> {
    let busy = |at: &Admin| at.sparing.lock().map_or(true, |mut set| !set.insert(template.into()));
    if busy(admin) {
        return Ok(());
    }
    let made = async {
        if admin.names(addr, &spares(template)).await?.len() < SPARES {
            // It has another name until it is complete, so that nobody takes it before.
            let making = admin.name("making");
            let own = making.trim_start_matches("castoff_making_");
            copy(admin, addr, template, &making).await?;
            let spare = format!("{}_{own}", spares_of(template));
            admin.execute(addr, &format!("ALTER DATABASE {making} RENAME TO {spare}")).await?;
        }
        Ok(())
    };
    let made = made.await;
    if let Ok(mut sparing) = admin.sparing.lock() {
        sparing.remove(template);
    }
    made
}

/// Drops, once in this process, the databases of dead processes: those whose creator's lock is
/// free. A database with an open session stays.
async fn sweep(admin: &Admin, server: &Container, addr: SocketAddr) -> Result<()> {
    if admin.swept.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let made =
        "SELECT datname FROM pg_database WHERE datname ~ '^castoff_(db|making)_[0-9a-f]+_[0-9]+$'";
    let mut orphans: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in admin.names(addr, made).await? {
        let Some(token) = name.split('_').nth(2) else { continue };
        orphans.entry(token.to_owned()).or_default().push(name);
    }
    for (token, names) in orphans {
        let Some(_dead) = admin.liveness.of_the_dead(server, &token).await? else { continue };
        for name in names {
            let dropped = admin.execute(addr, &format!("DROP DATABASE IF EXISTS {name}")).await;
            match dropped {
                Err(error) if says(&error, &SqlState::OBJECT_IN_USE) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spares_are_named_after_their_template() {
        assert_eq!(spares_of("castoff_template_12ab"), "castoff_spare_12ab");
        let claim = claim("castoff_template_12ab", "castoff_db_7_1");
        assert!(claim.contains("left(datname, 19) = 'castoff_spare_12ab_'"), "{claim}");
    }
}

//! [`MySqlDatabase`]: a database for one test, and the templates from which it is made.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
use super::quote::{name, quoted};
use super::script::Script;
#[cfg(feature = "mariadb")]
use super::server::MariaDbServer;
#[cfg(feature = "mysql")]
use super::server::MySqlServer;
use crate::background;
use crate::fingerprint::Fingerprint;

/// The error of a user's migration.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A database for one test, dropped with this handle; created by the server's `database()`.
///
/// It holds a share of the server. Dropping it hands the work to a thread of this crate and
/// returns. If a process ends before that, the next one that creates a database on the server drops
/// what is left.
#[must_use = "the database is dropped with its handle"]
pub struct MySqlDatabase {
    server: Container,
    addr: SocketAddr,
    admin: Arc<Admin>,
    name: String,
}

impl MySqlDatabase {
    /// Returns the URL for a client on this machine, for the server's user, who has all rights in
    /// it.
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

    /// Creates an empty database, owned on the background thread before it exists.
    async fn create(server: Container, admin: Arc<Admin>) -> Result<Self> {
        let addr = server.addr(PORT)?;
        let thread = admin.thread.clone();
        let making = async move {
            admin.liveness.hold(&server).await?;
            let name = admin.name("db");
            let (user, own) = (user(&admin), self::name(&name));
            let made = MySqlDatabase { server, addr, admin, name };
            let statements =
                [format!("CREATE DATABASE {own}"), format!("GRANT ALL ON {own}.* TO {user}")];
            made.admin.execute(addr, &statements).await?;
            let (background, server) = (Arc::clone(&made.admin), made.server.clone());
            drop(made.admin.thread.spawn(async move {
                // No caller depends on the outcome.
                let _ = sweep(&background, &server, addr).await;
            }));
            Ok(made)
        };
        background::run(&thread, making).await
    }
}

impl Drop for MySqlDatabase {
    fn drop(&mut self) {
        // A stopped server needs no cleanup.
        let Ok(addr) = self.server.addr(PORT) else { return };
        let admin = Arc::clone(&self.admin);
        let statement = drop_it(&self.name);
        drop(self.admin.thread.spawn(async move {
            // The server may be going away as well.
            let _ = admin.execute(addr, &[statement]).await;
        }));
    }
}

impl fmt::Debug for MySqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlDatabase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Defines the methods of both servers.
macro_rules! databases {
    ($server:ident) => {
        impl $server {
            /// Creates an empty database for one test, in which the server's user has all rights.
            ///
            /// # Errors
            /// Fails if the server can't be reached, or refuses.
            ///
            /// # Cancel safety
            /// If the future is dropped, the database is dropped if it was created.
            pub async fn database(&self) -> Result<MySqlDatabase> {
                MySqlDatabase::create(self.container().clone(), Arc::clone(self.admin())).await
            }

            /// Creates a database for one test, with migrations: `migrate` runs once for the server
            /// and this key, on a database whose URL it receives. For each caller, its result is
            /// recreated on the server: `mysqldump --routines --triggers --events` gives the same
            /// output for the copy as for the original, to the byte, with the copy's name in place
            /// of the original's. The history of system-versioned tables is copied from MariaDB
            /// 10.11 on; on older servers, such tables are an error. Events run in the copies, but
            /// not in the template.
            ///
            /// Not copied are privileges on single databases, tables and routines (the server's
            /// user has all rights in each), rows of engines that store them elsewhere (`MERGE`,
            /// `FEDERATED`, `CONNECT`, `SPIDER`, `OQGRAPH`, `BLACKHOLE`), and the optimizer's
            /// histograms. If the server refuses to recreate an object, such as a view whose table
            /// is gone, the error has its statement.
            ///
            /// The key should change when the migrations do. If they fail, no trace of them stays,
            /// and the next caller runs them again.
            ///
            /// # Errors
            /// The error of `migrate`, as the source of one that names the key; otherwise as for
            /// [`database`](Self::database).
            ///
            /// # Cancel safety
            /// If the future is dropped, the migrations count as not run, and the database is
            /// dropped if it was created.
            pub async fn database_from<F, Fut, T, E>(
                &self,
                key: impl AsRef<str>,
                migrate: F,
            ) -> Result<MySqlDatabase>
            where
                F: FnOnce(String) -> Fut,
                Fut: Future<Output = std::result::Result<T, E>>,
                E: Into<Cause>,
            {
                let made = self.database().await?;
                made.fill(key.as_ref(), async |own: &MySqlDatabase| {
                    migrate(own.url()).await.map(drop).map_err(Into::into)
                })
                .await?;
                Ok(made)
            }
        }
    };
}

#[cfg(feature = "mariadb")]
databases!(MariaDbServer);
#[cfg(feature = "mysql")]
databases!(MySqlServer);

impl MySqlDatabase {
    /// Fills an empty database from the template of a key, which is created if needed.
    async fn fill(
        &self,
        key: &str,
        migrate: impl AsyncFnOnce(&MySqlDatabase) -> std::result::Result<(), Cause>,
    ) -> Result<()> {
        let (admin, addr) = (&self.admin, self.server.addr(PORT)?);
        let template = Fingerprint::new("template").part(key).digits();
        let template = format!("castoff_template_{template}");
        let once = format!("castoff mysql {template} {}", data_directory(admin, addr).await?);
        let make = async || {
            let making = MySqlDatabase::create(self.server.clone(), Arc::clone(admin)).await?;
            migrate(&making).await.map_err(|cause| {
                Error::other(format!("the migrations of `{key}` failed")).with_source(cause)
            })?;
            make_template(admin, addr, &making.name, &template).await
        };
        self.server.init_once(once.as_str(), make).await?;
        copy(admin, addr, &once, &template, &self.name).await
    }
}

/// Returns a name for the server's data directory. A restart loses data in memory, and then
/// one-time steps must run again: so new data has another name.
async fn data_directory(admin: &Admin, addr: SocketAddr) -> Result<String> {
    let token = crate::unique::token();
    let statements = [
        "CREATE DATABASE IF NOT EXISTS castoff_admin".to_owned(),
        "CREATE TABLE IF NOT EXISTS castoff_admin.data (id INT PRIMARY KEY, name CHAR(12))"
            .to_owned(),
        format!("INSERT IGNORE INTO castoff_admin.data VALUES (1, '{token}')"),
    ];
    admin.execute(addr, &statements).await?;
    let rows = admin.rows(addr, "SELECT name FROM castoff_admin.data").await?;
    Ok(rows.into_iter().flatten().next().unwrap_or_default())
}

/// Creates a template from a finished database. Its events are disabled, as a template must not
/// change.
async fn make_template(admin: &Admin, addr: SocketAddr, from: &str, template: &str) -> Result<()> {
    let (user, own) = (user(admin), name(template));
    let before = [
        drop_it(template),
        format!("CREATE DATABASE {own}"),
        // The user's views on other views can only be created if the user may see these.
        format!("GRANT ALL ON {own}.* TO {user}"),
        "CREATE TABLE IF NOT EXISTS castoff_admin.events \
         (template VARCHAR(64), name VARCHAR(64), PRIMARY KEY (template, name)) \
         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            .to_owned(),
        format!("DELETE FROM castoff_admin.events WHERE template = '{template}'"),
        format!(
            "INSERT INTO castoff_admin.events SELECT '{template}', event_name \
             FROM information_schema.events WHERE event_schema = '{from}' AND status = 'ENABLED'"
        ),
    ];
    admin.execute(addr, &before).await?;
    let enabled = enabled(admin, addr, template).await?;
    let mut link = admin.link(addr).await?;
    let script = Script::read(&mut link, from).await?;
    script.run(&mut link, template).await?;
    let hold = |event: &str| enabled.contains(event).then_some("DISABLE");
    script.run_events(&mut link, template, hold).await?;
    admin.done(link).await;
    admin.execute(addr, &[format!("REVOKE ALL ON {own}.* FROM {user}")]).await
}

/// Returns the events of a template that its copies run.
async fn enabled(admin: &Admin, addr: SocketAddr, template: &str) -> Result<BTreeSet<String>> {
    let query = format!("SELECT name FROM castoff_admin.events WHERE template = '{template}'");
    Ok(admin.rows(addr, &query).await?.into_iter().flatten().collect())
}

/// Recreates the content of a template in an empty database.
async fn copy(admin: &Admin, addr: SocketAddr, once: &str, from: &str, to: &str) -> Result<()> {
    let known = admin.templates.lock().unwrap_or_else(PoisonError::into_inner).get(once).cloned();
    let enabled = enabled(admin, addr, from).await?;
    let mut link = admin.link(addr).await?;
    let script = match known {
        Some(script) => script,
        None => {
            let script = Arc::new(Script::read(&mut link, from).await?);
            let mut templates = admin.templates.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(templates.entry(once.to_owned()).or_insert(script))
        }
    };
    script.run(&mut link, to).await?;
    let resume = |event: &str| enabled.contains(event).then_some("ENABLE");
    script.run_events(&mut link, to, resume).await?;
    admin.done(link).await;
    Ok(())
}

/// Returns the server's user, from any host.
fn user(admin: &Admin) -> String {
    format!("{}@'%'", quoted(&admin.login.user))
}

fn drop_it(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {}", self::name(name))
}

/// Drops, once in this process, the databases of dead processes: those whose creator's lock is
/// free.
async fn sweep(admin: &Admin, server: &Container, addr: SocketAddr) -> Result<()> {
    if admin.swept.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let made = "SELECT schema_name FROM information_schema.schemata \
         WHERE schema_name LIKE 'castoff\\_db\\_%'";
    for row in admin.rows(addr, made).await? {
        let Some(name) = row.first() else { continue };
        let Some(token) = name.split('_').nth(2) else { continue };
        if let Some(_dead) = admin.liveness.of_the_dead(server, token).await? {
            admin.execute(addr, &[drop_it(name)]).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(drop_it("a"), "DROP DATABASE IF EXISTS `a`");
    }
}

//! [`MySqlDatabase`]: a database of one's own, and the templates that it is made from.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use castoff::{Container, Error, Result};

use super::PORT;
use super::admin::Admin;
#[cfg(feature = "mariadb")]
use super::server::MariaDbServer;
#[cfg(feature = "mysql")]
use super::server::MySqlServer;
use super::server::url;
use crate::background;
use crate::fingerprint::Fingerprint;

/// What may go wrong in somebody's migration.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A database that nobody else has, dropped with this handle; made by the server's `database()`.
///
/// It holds a share of the server. Dropping it hands the work to a thread of this crate's and
/// returns. What a process leaves that ends before that is dropped by the next one that makes a
/// database there.
#[must_use = "the database is dropped with its handle"]
pub struct MySqlDatabase {
    server: Container,
    addr: SocketAddr,
    admin: Arc<Admin>,
    name: String,
}

impl MySqlDatabase {
    /// The URL for a client on this machine, for the server's user, who may do everything in it.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.admin.parts, self.server.addr(PORT).unwrap_or(self.addr), &self.name)
    }

    /// The URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(&self.admin.parts, format!("{}:{PORT}", self.server.name()), &self.name)
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An empty one, owned on the background thread before it is made.
    async fn create(server: Container, admin: Arc<Admin>) -> Result<Self> {
        let addr = server.addr(PORT)?;
        let thread = admin.thread.clone();
        let making = async move {
            admin.liveness.hold(&server).await?;
            let name = admin.name("db");
            let (user, quoted) = (quote(&admin.parts.user, '\''), quote(&name, '`'));
            let made = MySqlDatabase { server, addr, admin, name };
            let statements = [
                format!("CREATE DATABASE {quoted}"),
                format!("GRANT ALL ON {quoted}.* TO {user}@'%'"),
            ];
            made.admin.execute(addr, None, &statements).await?;
            let (background, server) = (Arc::clone(&made.admin), made.server.clone());
            drop(made.admin.thread.spawn(async move {
                // Nobody depends on it.
                let _ = sweep(&background, &server, addr).await;
            }));
            Ok(made)
        };
        background::run(&thread, making).await
    }
}

impl Drop for MySqlDatabase {
    fn drop(&mut self) {
        // While the server is stopped there is nothing to be done.
        let Ok(addr) = self.server.addr(PORT) else { return };
        let admin = Arc::clone(&self.admin);
        let statement = drop_it(&self.name);
        drop(self.admin.thread.spawn(async move {
            // The server may be on its way out as well.
            let _ = admin.execute(addr, None, &[statement]).await;
        }));
    }
}

impl fmt::Debug for MySqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlDatabase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The methods of both servers.
macro_rules! databases {
    ($server:ident) => {
        impl $server {
            /// An empty database for one test, in which the server's user may do everything.
            ///
            /// # Errors
            /// When the server can't be reached, or refuses.
            ///
            /// # Cancel safety
            /// When the future is dropped, the database is dropped if it comes to be.
            pub async fn database(&self) -> Result<MySqlDatabase> {
                MySqlDatabase::create(self.container().clone(), Arc::clone(self.admin())).await
            }

            /// A database for one test, with migrations: `migrate` is run once for the server and
            /// this key, on a database whose URL it is given. For everybody who asks, the tables are
            /// made anew from it, with their rows, foreign keys and triggers, and the views,
            /// procedures and functions. Events are not copied.
            ///
            /// The key should change when the migrations do. If they fail, nothing stays of it, and
            /// whoever asks next runs them again.
            ///
            /// # Errors
            /// That of `migrate`, as the cause of one that names the key; as for
            /// [`database`](Self::database) otherwise.
            ///
            /// # Cancel safety
            /// When the future is dropped, the migrations count as not run, and the database is
            /// dropped if it comes to be.
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
    /// Fills an empty one from the template of a key, which is made if need be.
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
            let statements = [drop_it(&template), format!("CREATE DATABASE `{template}`")];
            admin.execute(addr, None, &statements).await?;
            copy(admin, addr, &making.name, &template).await
        };
        self.server.set_up_once(once, make).await?;
        copy(admin, addr, &template, &self.name).await
    }
}

/// What is in memory is gone after a restart, and what was made once is to be made again: so data
/// that begins anew has another name.
async fn data_directory(admin: &Admin, addr: SocketAddr) -> Result<String> {
    let token = crate::unique::token();
    let statements = [
        "CREATE DATABASE IF NOT EXISTS castoff_admin".to_owned(),
        "CREATE TABLE IF NOT EXISTS castoff_admin.data (id INT PRIMARY KEY, name CHAR(12))"
            .to_owned(),
        format!("INSERT IGNORE INTO castoff_admin.data VALUES (1, '{token}')"),
    ];
    admin.execute(addr, None, &statements).await?;
    let rows = admin.rows(addr, "SELECT name FROM castoff_admin.data").await?;
    Ok(rows.into_iter().flatten().next().unwrap_or_default())
}

/// The tables of a database, without its views.
async fn tables_of(admin: &Admin, addr: SocketAddr, database: &str) -> Result<Vec<String>> {
    named(admin, addr, "table_name", "tables", "table_schema", database, "table_type <> 'VIEW'")
        .await
}

async fn named(
    admin: &Admin,
    addr: SocketAddr,
    column: &str,
    what: &str,
    owner: &str,
    database: &str,
    and: &str,
) -> Result<Vec<String>> {
    let query = format!(
        "SELECT {column} FROM information_schema.{what} WHERE {owner} = '{database}' AND {and} ORDER BY 1"
    );
    let rows = admin.rows(addr, &query).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

/// Makes everything of one database in another, empty one.
async fn copy(admin: &Admin, addr: SocketAddr, from: &str, to: &str) -> Result<()> {
    let known = admin.templates.lock().unwrap_or_else(PoisonError::into_inner).get(from).cloned();
    let statements = match known {
        Some(statements) => statements,
        None => {
            let statements = Arc::new(statements_of(admin, addr, from).await?);
            let mut templates = admin.templates.lock().unwrap_or_else(PoisonError::into_inner);
            templates.insert(from.to_owned(), Arc::clone(&statements));
            statements
        }
    };
    // Views say which database they are of.
    let (old, new) = (format!("`{from}`."), format!("`{to}`."));
    let statements: Vec<String> = statements
        .iter()
        .map(|statement| match statement.strip_prefix(VIEW) {
            Some(view) => view.replace(&old, &new),
            None => statement.clone(),
        })
        .collect();
    admin.execute(addr, Some(&quote(to, '`')), &statements).await
}

/// Marks a statement in which the database's name is to be replaced.
const VIEW: &str = "/*view*/ ";

/// What makes all that is in a database, to be run in another.
async fn statements_of(admin: &Admin, addr: SocketAddr, from: &str) -> Result<Vec<String>> {
    let show = async |what: &str, name: &str, column: usize| {
        let query = format!("SHOW CREATE {what} `{from}`.{}", quote(name, '`'));
        let row = admin.rows(addr, &query).await?.into_iter().next().unwrap_or_default();
        row.into_iter().nth(column).ok_or_else(|| Error::other(format!("{query} says nothing")))
    };
    let all = async |column: &str, what: &str, owner: &str, and: &str| {
        named(admin, addr, column, what, owner, from, and).await
    };
    let mut statements = vec!["SET FOREIGN_KEY_CHECKS = 0".to_owned()];
    let tables = tables_of(admin, addr, from).await?;
    for table in &tables {
        statements.push(show("TABLE", table, 1).await?);
    }
    for table in &tables {
        let and = format!("table_name = {} AND extra NOT LIKE '%GENERATED%'", quote(table, '\''));
        let columns = all("column_name", "columns", "table_schema", &and).await?;
        let columns: Vec<String> = columns.iter().map(|column| quote(column, '`')).collect();
        let (columns, table) = (columns.join(", "), quote(table, '`'));
        statements.push(format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM `{from}`.{table}"
        ));
    }
    for kind in ["FUNCTION", "PROCEDURE"] {
        let and = format!("routine_type = '{kind}'");
        for routine in all("routine_name", "routines", "routine_schema", &and).await? {
            statements.push(show(kind, &routine, 2).await?);
        }
    }
    for view in all("table_name", "views", "table_schema", "TRUE").await? {
        statements.push(format!("{VIEW}{}", show("VIEW", &view, 1).await?));
    }
    for trigger in all("trigger_name", "triggers", "trigger_schema", "TRUE").await? {
        statements.push(show("TRIGGER", &trigger, 2).await?);
    }
    statements.push("SET FOREIGN_KEY_CHECKS = 1".to_owned());
    Ok(statements)
}

fn drop_it(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {}", quote(name, '`'))
}

/// A name or a text in quotes. Backslashes in a text are doubled as well.
fn quote(text: &str, with: char) -> String {
    let doubled: String = [with, with].iter().collect();
    let text = text.replace(with, &doubled);
    let text = if with == '\'' { text.replace('\\', "\\\\") } else { text };
    format!("{with}{text}{with}")
}

/// Drops, once in this process, the databases of processes that are gone: those whose maker's lock is
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
            admin.execute(addr, None, &[drop_it(name)]).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote("a`b", '`'), "`a``b`");
        assert_eq!(quote(r"it's \", '\''), r"'it''s \\'");
        assert_eq!(drop_it("a"), "DROP DATABASE IF EXISTS `a`");
    }
}

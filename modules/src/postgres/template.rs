//! Templates: the databases from which others are cloned, each made once for a server.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use castoff::{Error, ErrorKind, Result};
use tokio_postgres::error::SqlState;

use super::admin::{Admin, says};
use super::database::{copy, copy_properties, end_sessions, remove, take};
use super::{PORT, PgDatabase, PostgresServer};
use crate::fingerprint::Fingerprint;

/// The error of a user's migration.
type Cause = Box<dyn std::error::Error + Send + Sync>;

impl PostgresServer {
    /// Creates a database for one test: a copy of the server's default database as it was at the
    /// first call, with the extensions and everything else from init scripts.
    ///
    /// It takes milliseconds, as the copy is made from a template on the server, and usually in
    /// advance. Each call, in any of the threads and processes that share the server, gets a
    /// database of its own.
    ///
    /// # Errors
    /// Fails if the server can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// If the future is dropped, the database is dropped if it was created.
    pub async fn database(&self) -> Result<PgDatabase> {
        let template = self.default_template(None).await?;
        match self.clone_of(&template).await {
            Err(error) if says(&error, &SqlState::UNDEFINED_DATABASE) => {
                let start = self.started().await?;
                self.default_template(Some(&start)).await?;
                self.clone_of(&template).await
            }
            other => other,
        }
    }

    /// Creates a [`database`](Self::database) with migrations: `migrate` runs once for the server
    /// and this key, on a database whose URL it receives, and the result is cloned for every
    /// caller.
    ///
    /// The key should change when the migrations do. If they fail, no trace of them stays, and the
    /// next caller runs them again. Sessions that are left open are ended.
    ///
    /// ```no_run
    /// # async fn migrate(url: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn run() -> castoff::Result<()> {
    /// let server = castoff_modules::Postgres::new().shared().await?;
    /// let database =
    ///     server.database_from("schema-v7", |url| async move { migrate(&url).await }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `migrate`, as the source of one that names the key; otherwise as for
    /// [`database`](Self::database).
    ///
    /// # Cancel safety
    /// If the future is dropped, the migrations count as not run, and the database is dropped if it
    /// was created.
    pub async fn database_from<F, Fut, T, E>(
        &self,
        key: impl AsRef<str>,
        migrate: F,
    ) -> Result<PgDatabase>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
        E: Into<Cause>,
    {
        let key = key.as_ref();
        self.made_by(named(Fingerprint::new("key").part(key)), key, migrate).await
    }

    /// Creates a database like [`database_from`](Self::database_from), with the `*.sql` files of a
    /// directory as migrations, sorted by name. Their content is the key. Each may contain several
    /// statements.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the files can't be read, [`ErrorKind::InvalidInput`] if there are none;
    /// otherwise as for [`database_from`](Self::database_from), with the name of the file.
    ///
    /// # Cancel safety
    /// As for [`database_from`](Self::database_from).
    pub async fn database_from_sql(&self, directory: impl AsRef<Path>) -> Result<PgDatabase> {
        let directory = directory.as_ref().to_owned();
        let shown = directory.display().to_string();
        let read = tokio::task::spawn_blocking(move || read_sql(&directory)).await;
        let files = read.unwrap_or_else(|error| Err(Error::other("reading").with_source(error)))?;
        self.made_by(named(Fingerprint::new("files").pairs(files.iter().map(|(name, sql)| (name, sql)))), &shown, |url| async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            let running = async {
                for (name, sql) in &files {
                    let ran = client.batch_execute(sql).await;
                    ran.map_err(|error| {
                        Error::other(format!("in `{name}`")).with_source(super::admin::told(error))
                    })?;
                }
                Ok::<_, Cause>(())
            };
            tokio::select! {
                done = running => done,
                ended = connection => Err(ended.err().map_or("the connection ended".into(), Cause::from)),
            }
        })
        .await
    }

    /// Clones a template, which these migrations create if it does not exist.
    async fn made_by<F, Fut, T, E>(
        &self,
        template: String,
        key: &str,
        migrate: F,
    ) -> Result<PgDatabase>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
        E: Into<Cause>,
    {
        let mut migrate = Some(migrate);
        if let Some(start) = self.template_of(&template, key, &mut migrate, None).await? {
            // A restart has lost the template.
            self.template_of(&template, key, &mut migrate, Some(&start)).await?;
        }
        self.clone_of(&template).await
    }

    async fn clone_of(&self, template: &str) -> Result<PgDatabase> {
        let (server, admin) = (self.container().clone(), Arc::clone(self.admin()));
        let addr = server.addr(PORT)?;
        let (own, template) = (Arc::clone(&admin), template.to_owned());
        // Created and owned on the admin's thread, whatever becomes of this future.
        admin
            .run(async move {
                let name = take(&own, &server, addr, &template).await?;
                PgDatabase::new(server, own, name)
            })
            .await
    }

    /// Returns the time of the server's start: its earlier data in memory is lost.
    async fn started(&self) -> Result<String> {
        let addr = self.container().addr(PORT)?;
        let asked = self.admin().names(addr, "SELECT pg_postmaster_start_time()::text").await?;
        Ok(asked.into_iter().next().unwrap_or_default())
    }

    /// Ensures that the template of the default database exists, and returns its name.
    async fn default_template(&self, start: Option<&str>) -> Result<String> {
        let template = named(Fingerprint::new("default"));
        let once = format!("castoff postgres {template} {}", start.unwrap_or_default());
        self.container()
            .init_once(once, async || -> Result<()> {
                let (admin, addr) = (self.admin(), self.container().addr(PORT)?);
                if exists(admin, addr, &template).await? {
                    return Ok(());
                }
                admin.liveness.hold(self.container()).await?;
                let making = admin.name("making");
                let made = async {
                    self.copy_default(&making).await?;
                    freeze(admin, addr, &making, &template).await
                };
                let made = made.await;
                if made.is_err() {
                    // If it can't be dropped now, it is swept later.
                    let _ = remove(admin, addr, &making).await;
                }
                made
            })
            .await?;
        Ok(template)
    }

    /// Copies the default database. It can't be cloned while it has a session; then its content is
    /// dumped and restored.
    async fn copy_default(&self, to: &str) -> Result<()> {
        let (admin, addr) = (self.admin(), self.container().addr(PORT)?);
        let from = &admin.login.database;
        let literal = super::sql::literal(from);
        let sessions = format!("SELECT pid FROM pg_stat_activity WHERE datname = {literal}");
        if admin.names(addr, &sessions).await?.is_empty() {
            match copy(admin, addr, from, to).await {
                Err(error) if says(&error, &SqlState::OBJECT_IN_USE) => {}
                other => return other,
            }
        }
        admin.execute(addr, &format!("CREATE DATABASE {to} TEMPLATE template0")).await?;
        let script = "set -e; pg_dump -h 127.0.0.1 -U \"$1\" -d \"$2\" -f /tmp/\"$3\".sql; \
             psql -h 127.0.0.1 -U \"$1\" -d \"$3\" -q -X -v ON_ERROR_STOP=1 -o /dev/null \
             -f /tmp/\"$3\".sql; rm /tmp/\"$3\".sql";
        let dumped = self
            .container()
            .exec(["sh", "-c", script, "dump", &admin.login.user, from, to])
            .with_env("PGPASSWORD", &admin.login.password)
            .await?;
        dumped.ok()?;
        copy_properties(admin, addr, from, to).await
    }

    /// Ensures that the template of a key exists. Returns the time of the server's start if the
    /// template should exist but does not.
    async fn template_of<F, Fut, T, E>(
        &self,
        template: &str,
        key: &str,
        migrate: &mut Option<F>,
        start: Option<&str>,
    ) -> Result<Option<String>>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
        E: Into<Cause>,
    {
        let once = format!("castoff postgres {template} {}", start.unwrap_or_default());
        let (admin, addr) = (self.admin(), self.container().addr(PORT)?);
        let ran = self
            .container()
            .init_once(once, async || {
                if exists(admin, addr, template).await? {
                    return Ok(());
                }
                let making = self.database().await?;
                let Some(migrate) = migrate.take() else {
                    return Err(Error::other("the server was restarted twice meanwhile"));
                };
                migrate(making.url()).await.map_err(|cause| {
                    let what = format!("the migrations of `{key}` failed");
                    Error::other(what).with_source(cause.into())
                })?;
                freeze(admin, addr, making.name(), template).await
            })
            .await?;
        if ran || exists(admin, addr, template).await? {
            return Ok(None);
        }
        self.started().await.map(Some)
    }
}

/// Creates a template from a finished database, which then refuses sessions.
async fn freeze(admin: &Admin, addr: SocketAddr, made: &str, template: &str) -> Result<()> {
    admin.execute(addr, &format!("ALTER DATABASE {made} ALLOW_CONNECTIONS false")).await?;
    admin.names(addr, &end_sessions(made)).await?;
    admin.execute(addr, &format!("ALTER DATABASE {made} IS_TEMPLATE true")).await?;
    // The name marks it as complete.
    admin.execute(addr, &format!("ALTER DATABASE {made} RENAME TO {template}")).await
}

async fn exists(admin: &Admin, addr: SocketAddr, name: &str) -> Result<bool> {
    let found = format!("SELECT datname FROM pg_database WHERE datname = '{name}'");
    Ok(!admin.names(addr, &found).await?.is_empty())
}

/// Returns the name of the template for a source.
fn named(source: Fingerprint) -> String {
    format!("castoff_template_{}", source.digits())
}

/// Reads the SQL files of a directory, sorted by name.
fn read_sql(directory: &Path) -> Result<Vec<(String, String)>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("can't read `{}`", directory.display()))
            .with_source(error)
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path).map_err(failed)?));
        }
    }
    if files.is_empty() {
        let what = format!("no *.sql files in `{}`", directory.display());
        return Err(Error::new(ErrorKind::InvalidInput, what));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_has_another_template() {
        let key = |key| named(Fingerprint::new("key").part(key));
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("b"));
        assert_ne!(named(Fingerprint::new("default")), key(""));
        // With a token and a number after it, it is the name of a spare.
        assert!(key("a").len() + "_".len() + 12 + "_".len() + 10 <= 63);
    }

    #[test]
    fn a_directory_without_sql_is_no_schema() {
        let error = read_sql(Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(read_sql(&source).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

//! [`Postgres`]: what a server is to be.

use std::fmt;

use castoff::{Container, ContainerBuilder, CopySource, Engine, Result};

use super::{PORT, PostgresServer, ready};

/// Where the data lies. Said aloud, since images from version 18 on have another default.
const DATA: &str = "/var/lib/postgresql/data";

/// Whatever a crash would need: a test's data doesn't survive its server anyway.
const FAST: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// Describes a PostgreSQL server. Nothing happens before [`start`](Self::start).
///
/// By default: image `postgres:17`; user, password and database `postgres`; data in memory, with
/// `fsync`, `synchronous_commit` and `full_page_writes` off. It is ready when it takes
/// connections by TCP, after all init scripts.
#[must_use = "nothing is started before `start()`"]
pub struct Postgres {
    container: ContainerBuilder,
    user: String,
    password: String,
    database: String,
    config: Vec<(String, String)>,
    scripts: usize,
    durable: bool,
}

impl Postgres {
    /// A server with everything by default.
    pub fn new() -> Self {
        Postgres {
            container: Container::builder("postgres:17").with_port(PORT),
            user: "postgres".into(),
            password: "postgres".into(),
            database: "postgres".into(),
            config: Vec::new(),
            scripts: 0,
            durable: false,
        }
    }

    /// Another tag of the official image, such as `16-alpine`.
    pub fn with_tag(self, tag: impl fmt::Display) -> Self {
        self.with_image(format!("postgres:{tag}"))
    }

    /// Another image that is used as the official one is, such as `postgis/postgis:17-3.5`.
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.container = self.container.with_image(image);
        self
    }

    /// The superuser's name.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The superuser's password. The image refuses an empty one.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// The database that is created.
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// SQL that is run in the database before the server is ready. May be called several times:
    /// they run in that order. An error in it ends the server, and so the start.
    pub fn with_init_sql(self, sql: impl Into<String>) -> Self {
        self.with_init_script("init.sql", sql.into().into_bytes())
    }

    /// A script that is run before the server is ready, in the order of the calls: SQL for a name
    /// that ends in `.sql` (or `.sql.gz`), a shell script for `.sh`. It may be bytes or a path.
    pub fn with_init_script(
        mut self,
        name: impl fmt::Display,
        script: impl Into<CopySource>,
    ) -> Self {
        self.scripts += 1;
        let target = format!("/docker-entrypoint-initdb.d/{:03}-{name}", self.scripts);
        self.container = self.container.with_copy(script, target);
        self
    }

    /// A server setting, passed as `-c key=value`. It wins over this module's own.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Writes as a server of production does: to disk, and synced. For tests of crashes and
    /// restarts; the data outlives a restart, and still goes with the container.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Anything else about the container: networks, limits, labels, more waits.
    ///
    /// What is mounted at `/var/lib/postgresql/data` takes the place of the data in memory, and a
    /// command takes the place of the module's. User, password and database are set by this
    /// type's own methods, whatever the environment says here.
    pub fn customize(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        self.container = change(self.container);
        self
    }

    /// The engine to use. Default: the process-wide one of [`Engine::connect`].
    pub fn on(self, engine: &Engine) -> Self {
        self.customize(|container| container.on(engine))
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// As for [`ContainerBuilder::start`].
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, what it had created is removed.
    pub async fn start(self) -> Result<PostgresServer> {
        let (user, password) = (self.user.clone(), self.password.clone());
        let database = self.database.clone();
        let container = self.lower().start().await?;
        PostgresServer::new(container, user, password, database)
    }

    /// What the container has to be for all that.
    fn lower(self) -> ContainerBuilder {
        let spec = self.container.spec();
        let mounted = spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        let has_command = spec.command.is_some();
        let mut container = self.container;
        if !mounted && !self.durable {
            container = container.with_tmpfs(DATA);
        }
        if !has_command {
            container = container.with_command(command(self.durable, &self.config));
        }
        container
            .with_wait(ready::wait(&self.user, &self.database))
            .with_env("PGDATA", DATA)
            .with_env("POSTGRES_USER", self.user)
            .with_env("POSTGRES_PASSWORD", self.password)
            .with_env("POSTGRES_DB", self.database)
    }
}

/// The last setting of a name counts, so the user's go last.
fn command(durable: bool, config: &[(String, String)]) -> Vec<String> {
    let own = FAST.iter().filter(|_| !durable).map(|(key, value)| format!("{key}={value}"));
    let theirs = config.iter().map(|(key, value)| format!("{key}={value}"));
    let mut command = vec!["postgres".to_owned()];
    command.extend(own.chain(theirs).flat_map(|setting| ["-c".to_owned(), setting]));
    command
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("image", &self.container.spec().image)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::spec::{Mount, MountKind};

    #[test]
    fn by_default_data_is_in_memory_and_nothing_is_synced() {
        let spec = Postgres::new().lower().spec().clone();
        assert_eq!(spec.image, "postgres:17");
        assert_eq!(spec.env["POSTGRES_PASSWORD"], "postgres");
        assert_eq!(spec.mounts, [Mount::tmpfs(DATA)]);
        let command = spec.command.unwrap_or_default();
        assert_eq!(command[..3], ["postgres", "-c", "fsync=off"]);
        assert_eq!(command.len(), 7);
    }

    #[test]
    fn a_durable_server_has_the_images_volume_and_its_own_settings_only() {
        let durable = Postgres::new().durable().with_tag(16).with_config("work_mem", "8MB");
        let spec = durable.lower().spec().clone();
        assert_eq!(spec.image, "postgres:16");
        assert!(spec.mounts.is_empty());
        assert_eq!(spec.command.unwrap_or_default(), ["postgres", "-c", "work_mem=8MB"]);
    }

    #[test]
    fn a_mount_or_command_of_the_users_takes_the_place_of_ours() {
        let server = Postgres::new().customize(|container| {
            container.with_mount(Mount::volume("data", format!("{DATA}/"))).with_command(["x"])
        });
        let spec = server.lower().spec().clone();
        assert!(matches!(&spec.mounts[..], [Mount { kind: MountKind::Volume { .. }, .. }]));
        assert_eq!(spec.command.unwrap_or_default(), ["x"]);
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let text = format!("{:?}", Postgres::new().with_password("sesame").with_user("ali"));
        assert!(text.contains("ali") && !text.contains("sesame"), "{text}");
    }
}

//! [`Postgres`]: the description of a server.

use std::path::PathBuf;

use castoff::{Container, ContainerBuilder, CopySource, Error, ErrorKind, Module, Result};

use super::login::Login;
use super::{PORT, PostgresServer, prepared, ready};
use crate::shape::module;

/// The data directory. Set explicitly, since images from version 18 on have another default.
pub(super) const DATA: &str = "/var/lib/postgresql/data";

/// Options that disable protection against crashes: a test's data does not survive its server
/// anyway.
const FAST: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];
/// The limit for connections, for many tests with a pool each; the default is 100. It costs nothing
/// until they are used.
const CONNECTIONS: (&str, &str) = ("max_connections", "500");

/// A description of a PostgreSQL server. Nothing happens before [`start`](Self::start).
///
/// By default: image `postgres:17`; user, password and database `postgres`; data in memory, with
/// `fsync`, `synchronous_commit` and `full_page_writes` off; up to 500 connections. It is ready
/// when it accepts connections over TCP, after all init scripts.
///
/// User, password and database are set by this type's own methods, which override the environment.
/// A mount at `/var/lib/postgresql/data` replaces the data in memory.
#[must_use = "nothing is started before `start()`"]
pub struct Postgres {
    pub(super) container: ContainerBuilder,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    pub(super) config: Vec<(String, String)>,
    pub(super) scripts: Vec<(String, Script)>,
    pub(super) durable: bool,
    pub(super) prepared: Option<prepared::Use>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Vec<String>>,
}

/// A script to run on a fresh data directory.
#[derive(Clone)]
pub(super) enum Script {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Postgres {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Postgres {
            container: Container::builder("postgres:17").with_port(PORT),
            user: "postgres".into(),
            password: "postgres".into(),
            database: "postgres".into(),
            config: Vec::new(),
            scripts: Vec::new(),
            durable: false,
            prepared: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets the superuser's name.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the superuser's password. It must not be empty.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Sets the database to create.
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// Adds SQL to run in the database before the server is ready. May be called several times: the
    /// texts run in that order. An error in it ends the server, so the start fails.
    pub fn with_init_sql(self, sql: impl Into<String>) -> Self {
        self.with_init_script("init.sql", sql.into())
    }

    /// Adds a script to run before the server is ready, in the order of the calls: SQL for a name
    /// that ends in `.sql` (or `.sql.gz`), a shell script for `.sh`.
    pub fn with_init_script(mut self, name: impl Into<String>, script: impl Into<Vec<u8>>) -> Self {
        self.scripts.push((name.into(), Script::Bytes(script.into())));
        self
    }

    /// Adds a file of this machine, like [`with_init_script`](Self::with_init_script).
    pub fn with_init_file(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.scripts.push((name, Script::Path(path)));
        self
    }

    /// Creates an extension in the database, with its dependencies, and so in the clones of
    /// [`PostgresServer::database`]. The image must contain it. An existing data directory is not
    /// changed.
    pub fn with_extension(self, name: impl AsRef<str>) -> Self {
        let name = super::sql::identifier(name.as_ref());
        let sql = format!("CREATE EXTENSION IF NOT EXISTS {name} CASCADE;\n");
        self.with_init_script("extension.sql", sql)
    }

    /// Sets a server option, passed as `-c key=value`. It overrides this module's own.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Writes like a production server: to disk, and synced. For tests of crashes and restarts; the
    /// data survives a restart, but is still removed with the container.
    pub fn with_durability(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Has the server speak TLS, with a certificate for `localhost`, the loopback addresses and the
    /// container's name and aliases in its networks, signed by [`PostgresServer::ca_certificate`]. Who does not ask for TLS is
    /// served without.
    ///
    /// It is put in place by a shell in the image, before the image's own entry point
    /// `docker-entrypoint.sh`.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// Adds names to the server's certificate, such as one that its clients resolve by themselves; the
    /// container's own are there already. Turns TLS on as [`with_tls`](Self::with_tls) does.
    #[cfg(feature = "tls")]
    pub fn with_tls_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tls.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Keeps the data directory, after initialization and all init scripts, in an image of this
    /// engine, and starts from that: the first start takes longer, and all later ones less than
    /// half of the time.
    ///
    /// The image is named `castoff-prepared/postgres:..`, with a hash of the server's image, its
    /// environment, user, password, database and scripts, so that a change of one of them makes
    /// another image. It stays until [`prune_prepared`](super::prune_prepared), or
    /// [`Engine::remove_kept`](castoff::Engine::remove_kept).
    pub fn with_prepared_image(mut self) -> Self {
        self.prepared = Some(prepared::Use::Wanted);
        self
    }
}

module!(Postgres => PostgresServer, "postgres", user, database);

impl Module for Postgres {
    type Server = PostgresServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    async fn prepare(&mut self) -> Result<()> {
        if self.prepared.is_some() {
            prepared::prepare(self).await?;
        }
        Ok(())
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        for (option, value) in
            [("user", &self.user), ("password", &self.password), ("database", &self.database)]
        {
            if value.is_empty() || value.contains('\0') {
                let why = format!("{option}: it must not be empty or contain NUL");
                return Err(Error::new(ErrorKind::InvalidInput, why));
            }
        }
        let container = self.with_scripts(self.with_data(container))?;
        let container = self.with_command(container);
        let container = self.with_certificates(container)?;
        Ok(container
            .with_wait(ready::wait(&self.user, &self.database))
            .with_env("POSTGRES_USER", &self.user)
            .with_env("POSTGRES_PASSWORD", &self.password)
            .with_env("POSTGRES_DB", &self.database))
    }

    async fn into_server(self, container: Container) -> Result<PostgresServer> {
        let login = Login { user: self.user, password: self.password, database: self.database };
        #[cfg(feature = "tls")]
        let ca = match self.tls {
            Some(_) => Some(crate::tls::authority(&container).await?),
            None => None,
        };
        PostgresServer::new(
            container,
            login,
            #[cfg(feature = "tls")]
            ca,
        )
    }
}

impl Postgres {
    /// Sets the data directory, and its initial content.
    fn with_data(&self, container: ContainerBuilder) -> ContainerBuilder {
        let mounts = &container.spec().mounts;
        let mounted = mounts.iter().any(|mount| mount.target.trim_end_matches('/') == DATA);
        match &self.prepared {
            Some(prepared::Use::Making) => container.with_env("PGDATA", prepared::MAKING),
            _ if mounted || self.durable => container.with_env("PGDATA", DATA),
            _ => container.with_env("PGDATA", DATA).with_tmpfs(DATA),
        }
    }

    fn with_scripts(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        for (number, (name, script)) in self.scripts.iter().enumerate() {
            if name.is_empty() || name.contains(['/', '\0']) {
                let why = format!("init script: `{name}` is no file name");
                return Err(Error::new(ErrorKind::InvalidInput, why));
            }
            let source = match script {
                Script::Bytes(bytes) => CopySource::bytes(bytes.clone()),
                Script::Path(path) => CopySource::path(path).with_mode(0o644),
            };
            let target = format!("/docker-entrypoint-initdb.d/{:03}-{name}", number + 1);
            container = container.with_copy(source, target);
        }
        Ok(container)
    }

    fn with_command(&self, mut container: ContainerBuilder) -> ContainerBuilder {
        if container.spec().command.is_none() {
            container = container.with_command(command(self.durable, &self.config));
        }
        if matches!(self.prepared, Some(prepared::Use::Made)) {
            container = container.with_entrypoint(prepared::entry_point(DATA));
        }
        container
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other one has to")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    /// Adds certificates. Only its owner may read the key, and only the image knows the number of
    /// the server's user.
    #[cfg(feature = "tls")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, DIRECTORY, names};

        let Some(further) = &self.tls else { return Ok(container) };
        let before = format!(
            "install -o postgres -m 0600 {DIRECTORY}/server.key /var/run/postgresql/server.key"
        );
        let entry_point = match &self.prepared {
            Some(prepared::Use::Made) => prepared::entry_point_after(&before, DATA),
            _ => prepared::shell(&format!("{before} && exec docker-entrypoint.sh \"$@\"")),
        };
        let mut command = container.spec().command.clone().unwrap_or_default();
        for (key, value) in [
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", format!("{DIRECTORY}/server.crt")),
            ("ssl_key_file", "/var/run/postgresql/server.key".to_owned()),
        ] {
            command.extend(["-c".to_owned(), format!("{key}={value}")]);
        }
        let container = container.with_entrypoint(entry_point).with_command(command);
        let names = names(container.spec(), further);
        Ok(Certificates::generate(&names)?.copy_into(container, &names, (0, 0)))
    }
}

/// Returns the command. The last value of an option counts, so the user's come last.
fn command(durable: bool, config: &[(String, String)]) -> Vec<String> {
    let own = FAST.iter().filter(|_| !durable).chain([&CONNECTIONS]);
    let own = own.map(|(key, value)| format!("{key}={value}"));
    let theirs = config.iter().map(|(key, value)| format!("{key}={value}"));
    let mut command = vec!["postgres".to_owned()];
    command.extend(own.chain(theirs).flat_map(|setting| ["-c".to_owned(), setting]));
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::spec::{ContainerSpec, Mount, MountKind};

    fn spec(mut server: Postgres) -> ContainerSpec {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        server.configure(container).unwrap().spec().clone()
    }

    #[test]
    fn by_default_data_is_in_memory_and_nothing_is_synced() {
        let spec = spec(Postgres::new());
        assert_eq!(spec.image, "postgres:17");
        assert_eq!(spec.env["POSTGRES_PASSWORD"], "postgres");
        assert_eq!(spec.mounts, [Mount::tmpfs(DATA)]);
        let command = spec.command.unwrap_or_default();
        assert_eq!(command[..3], ["postgres", "-c", "fsync=off"]);
        assert_eq!(command[7..], ["-c", "max_connections=500"]);
    }

    #[test]
    fn a_durable_server_has_the_images_volume_and_its_own_settings_only() {
        let durable = Postgres::new().with_durability().with_tag(16).with_config("work_mem", "8MB");
        let spec = spec(durable);
        assert_eq!(spec.image, "postgres:16");
        assert!(spec.mounts.is_empty());
        assert_eq!(
            spec.command.unwrap_or_default(),
            ["postgres", "-c", "max_connections=500", "-c", "work_mem=8MB"]
        );
    }

    #[test]
    fn a_mount_or_command_of_the_users_takes_the_place_of_ours() {
        let server = Postgres::new().customize(|container| {
            container.with_mount(Mount::volume("data", format!("{DATA}/"))).with_command(["x"])
        });
        let spec = spec(server);
        assert!(matches!(&spec.mounts[..], [Mount { kind: MountKind::Volume { .. }, .. }]));
        assert_eq!(spec.command.unwrap_or_default(), ["x"]);
    }

    #[test]
    fn what_can_not_be_is_named() {
        for (server, option) in [
            (Postgres::new().with_password(""), "password"),
            (Postgres::new().with_user("a\0b"), "user"),
            (Postgres::new().with_init_script("a/b.sql", "SELECT 1"), "a/b.sql"),
        ] {
            let error = server.configure(Container::builder("x")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(option), "{error}");
        }
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let text = format!("{:?}", Postgres::new().with_password("sesame").with_user("ali"));
        assert!(text.contains("ali") && !text.contains("sesame"), "{text}");
    }
}

//! [`Admin`]: this process's access to a server as its superuser.
//!
//! Its connections are kept, as opening one costs more than cloning a database.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use castoff::{Container, Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::login::Login;
use crate::background;
use crate::liveness::Liveness;
use crate::per_process::PerProcess;

/// Limit for the connections of a process to a server for this purpose.
const CONNECTIONS: usize = 6;
/// The database that the connections use.
const MAINTENANCE: &str = "castoff_admin";
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The superuser's access to one server, shared within this process.
pub(super) struct Admin {
    /// The liveness, whose token is part of the names of this process's resources.
    pub(super) liveness: Liveness,
    pub(super) login: Login,
    thread: Handle,
    idle: Mutex<Vec<Client>>,
    places: Semaphore,
    next: AtomicU64,
    version: OnceLock<u32>,
    /// Whether the resources of dead processes have been removed.
    pub(super) swept: AtomicBool,
    /// Templates for which a spare is being made.
    pub(super) sparing: Mutex<BTreeSet<String>>,
}

/// The admins of this process, by the container's id.
static ADMINS: PerProcess<Mutex<HashMap<String, Weak<Admin>>>> = PerProcess::new();

impl Admin {
    /// Returns the admin of a container, creating it if needed.
    pub(super) fn of(container: &Container, login: &Login) -> Result<Arc<Admin>> {
        let thread = background::thread()?;
        let mut admins = ADMINS.here().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admin) = admins.get(container.id()).and_then(Weak::upgrade) {
            return Ok(admin);
        }
        admins.retain(|_, admin| admin.strong_count() > 0);
        let admin = Arc::new(Admin {
            liveness: Liveness::new(),
            login: login.clone(),
            thread,
            idle: Mutex::default(),
            places: Semaphore::new(CONNECTIONS),
            next: AtomicU64::new(0),
            version: OnceLock::new(),
            swept: AtomicBool::new(false),
            sparing: Mutex::default(),
        });
        admins.insert(container.id().to_owned(), Arc::downgrade(&admin));
        Ok(admin)
    }

    /// Returns a name for a resource of this process: `castoff_<kind>_<token>_<n>`.
    pub(super) fn name(&self, kind: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("castoff_{kind}_{}_{number}", self.liveness.token())
    }

    /// Runs a future on the admin thread, in the background.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.thread.spawn(work));
    }

    /// Runs a future on the admin thread. It continues when the caller's future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        background::run(&self.thread, work).await
    }

    /// Runs statements in the maintenance database.
    pub(super) async fn execute(&self, addr: SocketAddr, sql: &str) -> Result<()> {
        self.ask(addr, sql).await.map(drop)
    }

    /// Returns the first column of the result of statements, as text.
    pub(super) async fn names(&self, addr: SocketAddr, sql: &str) -> Result<Vec<String>> {
        let messages = self.ask(addr, sql).await?;
        let names = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(names.collect())
    }

    /// Returns the server's version, such as 170002. Asks the server once.
    pub(super) async fn version(&self, addr: SocketAddr) -> Result<u32> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let said = self.names(addr, "SHOW server_version_num").await?;
        let version = said.first().and_then(|version| version.parse().ok()).unwrap_or_default();
        Ok(*self.version.get_or_init(|| version))
    }

    /// Runs statements on one of the kept connections. If it turns out to be dead, after a restart,
    /// it is replaced once.
    async fn ask(&self, addr: SocketAddr, sql: &str) -> Result<Vec<SimpleQueryMessage>> {
        let place = self.places.acquire().await;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut client, fresh) = match kept.filter(|client| !client.is_closed()) {
            Some(client) => (client, false),
            None => (self.maintain(addr).await?, true),
        };
        let mut answer = client.simple_query(sql).await;
        if !fresh && answer.is_err() && client.is_closed() {
            client = self.maintain(addr).await?;
            answer = client.simple_query(sql).await;
        }
        if !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
        drop(place);
        answer.map_err(told)
    }

    /// Connects to a database of castoff's own: a database that has connections can't be cloned.
    async fn maintain(&self, addr: SocketAddr) -> Result<Client> {
        match self.connect(addr, MAINTENANCE).await {
            Err(error) if says(&error, &SqlState::UNDEFINED_DATABASE) => {}
            other => return other,
        }
        let first = self.connect(addr, &self.login.database).await?;
        let create = format!("CREATE DATABASE {MAINTENANCE} TEMPLATE template0");
        match first.batch_execute(&create).await {
            Ok(()) => {}
            // Another caller was faster.
            Err(error)
                if matches!(
                    error.code(),
                    Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION)
                ) => {}
            Err(error) => return Err(told(error)),
        }
        self.connect(addr, MAINTENANCE).await
    }

    /// Connects to a database. The admin thread drives the connection.
    async fn connect(&self, addr: SocketAddr, database: &str) -> Result<Client> {
        let mut config = Config::new();
        config
            .host(addr.ip().to_string())
            .port(addr.port())
            .user(&self.login.user)
            .password(&self.login.password)
            .dbname(database)
            .application_name(format!("castoff {}", self.liveness.token()))
            .connect_timeout(CONNECT_LIMIT);
        let (client, connection) = config.connect(NoTls).await.map_err(|error| {
            let what = format!("can't connect to database `{database}` at {addr}");
            Error::new(ErrorKind::Connection, what).with_source(error)
        })?;
        self.spawn(async move {
            // The users of the client learn of the error.
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// Returns whether the server reported this state, somewhere in the chain of sources.
pub(super) fn says(error: &Error, state: &SqlState) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.code());
        if said == Some(state) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Converts an error, with the server's message in it.
pub(super) fn told(error: tokio_postgres::Error) -> Error {
    let what = match error.as_db_error() {
        Some(said) => format!("the server said: {} ({})", said.message(), said.code().code()),
        None => "the server could not be asked".to_owned(),
    };
    Error::other(what).with_source(error)
}

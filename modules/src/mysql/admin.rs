//! [`Admin`]: this process's access to a server as `root`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use castoff::{Container, Error, ErrorKind, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::link::{Link, Row, field};
use super::login::Login;
use super::script::Script;
use crate::background::thread;
use crate::liveness::Liveness;
use crate::per_process::PerProcess;

/// Limit for the connections of a process to a server for this purpose.
const CONNECTIONS: usize = 6;

/// The `root` access to one server, shared within this process.
pub(super) struct Admin {
    /// The liveness, whose token is part of the names of this process's resources.
    pub(super) liveness: Liveness,
    pub(super) login: Login,
    pub(super) thread: Handle,
    idle: Mutex<Vec<Conn>>,
    places: Semaphore,
    next: AtomicU64,
    /// Whether the resources of dead processes have been removed.
    pub(super) swept: AtomicBool,
    /// The scripts that recreate the content of templates, by the key of the template.
    pub(super) templates: Mutex<HashMap<String, Arc<Script>>>,
}

/// The admins of this process, by the container's id.
static ADMINS: PerProcess<Mutex<HashMap<String, Weak<Admin>>>> = PerProcess::new();

impl Admin {
    /// Returns the admin of a container, creating it if needed.
    pub(super) fn of(container: &Container, login: &Login) -> Result<Arc<Admin>> {
        let thread = thread()?;
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
            swept: AtomicBool::new(false),
            templates: Mutex::default(),
        });
        admins.insert(container.id().to_owned(), Arc::downgrade(&admin));
        Ok(admin)
    }

    /// Returns a name for a resource of this process: `castoff_<kind>_<token>_<n>`.
    pub(super) fn name(&self, kind: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("castoff_{kind}_{}_{number}", self.liveness.token())
    }

    /// Borrows a session. It is closed with the link, or kept by [`done`](Self::done).
    pub(super) async fn link(&self, addr: SocketAddr) -> Result<Link<'_>> {
        let place = self.places.acquire().await.ok();
        Ok(Link { conn: self.conn(addr).await?, _place: place })
    }

    /// Resets a session and keeps it for the next caller.
    pub(super) async fn done(&self, link: Link<'_>) {
        let mut conn = link.conn;
        if matches!(conn.reset().await, Ok(true)) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }

    /// Runs statements in sequence.
    pub(super) async fn execute(&self, addr: SocketAddr, statements: &[String]) -> Result<()> {
        let mut link = self.link(addr).await?;
        for statement in statements {
            link.run(statement.as_bytes()).await?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link.conn);
        Ok(())
    }

    /// Returns the result rows of a query, as text.
    pub(super) async fn rows(&self, addr: SocketAddr, query: &str) -> Result<Vec<Vec<String>>> {
        let mut link = self.link(addr).await?;
        let rows = link.rows(query).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link.conn);
        let text = |row: Row| (0..row.len()).map(|column| field(&row, column)).collect();
        Ok(rows.into_iter().map(text).collect())
    }

    /// Returns a kept connection that still answers, or a new one.
    async fn conn(&self, addr: SocketAddr) -> Result<Conn> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut conn) = kept
            && conn.ping().await.is_ok()
        {
            return Ok(conn);
        }
        self.connect(addr).await
    }

    async fn connect(&self, addr: SocketAddr) -> Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname(addr.ip().to_string())
            .tcp_port(addr.port())
            .user(Some("root"))
            .pass(Some(&self.login.root))
            .prefer_socket(Some(false))
            // A mode of the server could turn the quotes of a name into those of a text.
            .setup(vec!["SET NAMES utf8mb4, sql_mode = ''"]);
        Conn::new(options).await.map_err(|error| {
            let what = format!("can't connect to the server at {addr}");
            Error::new(ErrorKind::Connection, what).with_source(error)
        })
    }
}

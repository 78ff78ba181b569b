//! [`Admin`]: what this process has to say to a server as `root`.

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
use super::script::Script;
use super::server::Parts;
use crate::background::thread;
use crate::liveness::Liveness;
use crate::per_process::PerProcess;

/// How many connections a process has to a server for this at most.
const CONNECTIONS: usize = 6;

/// The side of `root` of one server, as this process sees it.
pub(super) struct Admin {
    /// Whose token is part of the names of what this process makes.
    pub(super) liveness: Liveness,
    pub(super) parts: Parts,
    pub(super) thread: Handle,
    idle: Mutex<Vec<Conn>>,
    places: Semaphore,
    next: AtomicU64,
    /// Whether it has looked what dead processes have left.
    pub(super) swept: AtomicBool,
    /// What makes the tables and all else of a template, by what it was made once for.
    pub(super) templates: Mutex<HashMap<String, Arc<Script>>>,
}

/// The admins of this process, by the container's id.
static ADMINS: PerProcess<Mutex<HashMap<String, Weak<Admin>>>> = PerProcess::new();

impl Admin {
    /// That of a container, made if need be.
    pub(super) fn of(container: &Container, parts: &Parts) -> Result<Arc<Admin>> {
        let thread = thread()?;
        let mut admins = ADMINS.here().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admin) = admins.get(container.id()).and_then(Weak::upgrade) {
            return Ok(admin);
        }
        admins.retain(|_, admin| admin.strong_count() > 0);
        let admin = Arc::new(Admin {
            liveness: Liveness::new(),
            parts: parts.clone(),
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

    /// A name for something of this process's: `castoff_<kind>_<token>_<n>`.
    pub(super) fn name(&self, kind: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("castoff_{kind}_{}_{number}", self.liveness.token())
    }

    /// A session for a while. It is closed with the link, or kept by [`done`](Self::done).
    pub(super) async fn link(&self, addr: SocketAddr) -> Result<Link<'_>> {
        let place = self.places.acquire().await.ok();
        Ok(Link { conn: self.conn(addr).await?, _place: place })
    }

    /// Keeps a session for the next one, as if it was new.
    pub(super) async fn done(&self, link: Link<'_>) {
        let mut conn = link.conn;
        if matches!(conn.reset().await, Ok(true)) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }

    /// Runs statements one after the other.
    pub(super) async fn execute(&self, addr: SocketAddr, statements: &[String]) -> Result<()> {
        let mut link = self.link(addr).await?;
        for statement in statements {
            link.run(statement.as_bytes()).await?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link.conn);
        Ok(())
    }

    /// The rows that a query finds, as text.
    pub(super) async fn rows(&self, addr: SocketAddr, query: &str) -> Result<Vec<Vec<String>>> {
        let mut link = self.link(addr).await?;
        let rows = link.rows(query).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link.conn);
        let text = |row: Row| (0..row.len()).map(|column| field(&row, column)).collect();
        Ok(rows.into_iter().map(text).collect())
    }

    /// A connection that was kept and still answers, or a new one.
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
            .pass(Some(&self.parts.root))
            .prefer_socket(Some(false))
            // A mode of the server's may take the quotes of a name for those of a text.
            .setup(vec!["SET NAMES utf8mb4, sql_mode = ''"]);
        Conn::new(options).await.map_err(|error| {
            let what = format!("can't connect to the server at {addr}");
            Error::new(ErrorKind::Connection, what).with_source(error)
        })
    }
}

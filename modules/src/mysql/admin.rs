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
    /// What makes the tables and all else of a template, by its name.
    pub(super) templates: Mutex<HashMap<String, Arc<Vec<String>>>>,
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

    /// Runs statements one after the other, in a database or in none.
    pub(super) async fn execute(
        &self,
        addr: SocketAddr,
        database: Option<&str>,
        statements: &[String],
    ) -> Result<()> {
        let _place = self.places.acquire().await;
        let mut conn = self.conn(addr).await?;
        if let Some(database) = database {
            conn.query_drop(format!("USE {database}")).await.map_err(told)?;
        }
        for statement in statements {
            conn.query_drop(statement).await.map_err(told)?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        Ok(())
    }

    /// The rows that a query finds, as text.
    pub(super) async fn rows(&self, addr: SocketAddr, query: &str) -> Result<Vec<Vec<String>>> {
        let _place = self.places.acquire().await;
        let mut conn = self.conn(addr).await?;
        let rows: Vec<mysql_async::Row> = conn.query(query).await.map_err(told)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        let text = |row: mysql_async::Row| {
            row.unwrap().into_iter().map(|value| match value {
                mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                mysql_async::Value::NULL => String::new(),
                other => other.as_sql(true).trim_matches('\'').to_owned(),
            })
        };
        Ok(rows.into_iter().map(|row| text(row).collect()).collect())
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
            .prefer_socket(Some(false));
        Conn::new(options).await.map_err(|error| {
            let what = format!("can't connect to the server at {addr}");
            Error::new(ErrorKind::Connection, what).with_source(error)
        })
    }
}

/// The error with what the server said in it.
fn told(error: mysql_async::Error) -> Error {
    let what = match &error {
        mysql_async::Error::Server(said) => format!("the server said: {said}"),
        _ => "the server could not be asked".to_owned(),
    };
    Error::other(what).with_source(error)
}

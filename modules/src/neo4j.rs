//! A Neo4j graph database: [`Neo4j`] describes one, [`Neo4jServer`] is a handle to a running one.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};
use serde_json::json;

use crate::http::{Request, until_answer};
use crate::shape::{SLOW, Service, module, server};

/// The port for Bolt in the container.
pub const PORT: u16 = 7687;
/// The port for HTTP in the container.
pub const HTTP_PORT: u16 = 7474;
const DATA: &str = "/data";

/// A description of a Neo4j server. Nothing happens before [`start`](Self::start).
///
/// By default: image `neo4j:5`; the user `neo4j` with the password `castoff-neo4j`; data in memory.
/// It is ready when it answers a query.
#[must_use = "nothing is started before `start()`"]
pub struct Neo4j {
    container: ContainerBuilder,
    password: String,
}

impl Neo4j {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Neo4j {
            container: Container::builder("neo4j:5")
                .with_port(PORT)
                .with_startup_timeout(SLOW)
                .with_port(HTTP_PORT),
            password: "castoff-neo4j".into(),
        }
    }

    /// Sets the password of `neo4j`, of at least 8 characters. Default: `castoff-neo4j`.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Adds a plugin, which the image downloads at its start: `apoc`, `graph-data-science`.
    pub fn with_plugin(mut self, name: impl AsRef<str>) -> Self {
        let known = self.container.spec().env.get("NEO4J_PLUGINS").cloned().unwrap_or_default();
        let known = known.trim_matches(['[', ']']);
        let comma = if known.is_empty() { "" } else { "," };
        let plugins = format!("[{known}{comma}\"{}\"]", name.as_ref());
        self.container = self.container.with_env("NEO4J_PLUGINS", plugins);
        self
    }

    /// Sets an environment variable of the image: `NEO4J_server_memory_heap_max__size`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(Neo4j => Neo4jServer, "neo4j");

impl Module for Neo4j {
    type Server = Neo4jServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        if self.password.len() < 8 {
            let what = "password: it must have at least 8 characters";
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let mut container = container;
        if container.spec().mounts.iter().all(|mount| mount.target != DATA) {
            container = container.with_tmpfs(DATA);
        }
        let query = query("RETURN 1").with_basic_auth("neo4j", &self.password);
        Ok(container.with_env("NEO4J_AUTH", format!("neo4j/{}", self.password)).with_wait(
            until_answer("Neo4j to answer a query", HTTP_PORT, query, |answer| {
                answer.status == 200 && answer.body.contains(r#""errors":[]"#)
            }),
        ))
    }

    async fn into_server(self, container: Container) -> Result<Neo4jServer> {
        Ok(Neo4jServer { service: Service::new(container, PORT)?, password: self.password })
    }
}

/// A Neo4j server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct Neo4jServer {
    service: Service,
    password: String,
}

server!(Neo4jServer);

impl Neo4jServer {
    /// Returns the URL for a client on this machine: `bolt://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("bolt://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("bolt://{}", self.network_addr())
    }

    /// Returns the URL of its HTTP interface, for a client on this machine.
    ///
    /// # Errors
    /// Fails while the server is stopped.
    pub fn http_url(&self) -> Result<String> {
        Ok(format!("http://{}", self.container().addr(HTTP_PORT)?))
    }

    /// Returns the password of `neo4j`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Runs a Cypher statement. Returns Neo4j's own JSON.
    ///
    /// # Errors
    /// Fails with Neo4j's message if the statement fails, or if the server can't be reached.
    ///
    /// # Cancel safety
    /// It may be run even if the future is dropped.
    pub async fn cypher(&self, statement: impl AsRef<str>) -> Result<String> {
        let query = query(statement.as_ref()).with_basic_auth("neo4j", &self.password);
        let answer = query.send_ok(self.container().addr(HTTP_PORT)?).await?;
        if answer.body.contains(r#""errors":[]"#) {
            Ok(answer.body)
        } else {
            Err(Error::other(format!("cypher: {}", answer.body)))
        }
    }
}

/// Returns the request for a statement that is committed at once (Neo4j HTTP API documentation,
/// "Begin and commit a transaction").
fn query(statement: &str) -> Request {
    let body = json!({ "statements": [{ "statement": statement }] });
    Request::new("POST", "/db/neo4j/tx/commit").with_json(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn neo4j_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Neo4j::new().with_plugin("apoc").with_plugin("n10s")));
    }

    #[test]
    fn a_short_password_is_refused() {
        let error = Neo4j::new().with_password("short").configure(Container::builder("x"));
        assert!(error.err().unwrap().to_string().starts_with("password"));
    }
}

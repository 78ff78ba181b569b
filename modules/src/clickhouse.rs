//! A ClickHouse server: [`ClickHouse`] describes one, [`ClickHouseServer`] is a handle to a running
//! one.

use std::net::SocketAddr;

use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{Service, module, server};
use crate::unique::token;
use crate::url::encode;

/// The port for HTTP in the container.
pub const PORT: u16 = 8123;
/// The port of ClickHouse's native protocol in the container.
pub const NATIVE_PORT: u16 = 9000;
const DATA: &str = "/var/lib/clickhouse";

/// A description of a ClickHouse server. Nothing happens before [`start`](Self::start).
///
/// By default: image `clickhouse/clickhouse-server:24.8`; user, password and database `test`; data
/// in memory. It is ready when it answers a query of that user.
#[must_use = "nothing is started before `start()`"]
pub struct ClickHouse {
    container: ContainerBuilder,
    user: String,
    password: String,
    database: String,
    config: Vec<(String, Vec<u8>)>,
}

impl ClickHouse {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        ClickHouse {
            container: Container::builder("clickhouse/clickhouse-server:24.8")
                .with_port(PORT)
                .with_port(NATIVE_PORT),
            user: "test".into(),
            password: "test".into(),
            database: "test".into(),
            config: Vec::new(),
        }
    }

    /// Sets the user's name, a word.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the user's password.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Sets the database to create.
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// Adds a file of server settings in XML, for `/etc/clickhouse-server/config.d`.
    pub fn with_config_file(mut self, name: impl Into<String>, xml: impl Into<Vec<u8>>) -> Self {
        self.config.push((name.into(), xml.into()));
        self
    }
}

module!(ClickHouse => ClickHouseServer, "clickhouse/clickhouse-server");

impl Module for ClickHouse {
    type Server = ClickHouseServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !self.user.starts_with(|c: char| c.is_ascii_alphabetic()) || !self.user.chars().all(word)
        {
            let what = "user: it must be a word, as the image makes it an XML element";
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        for (option, value) in [("password", &self.password), ("database", &self.database)] {
            // The image puts the values into XML and SQL without quoting.
            let plain = |c: char| c.is_alphanumeric() || " _-.,:;!?#$%*+/=@^~()[]|".contains(c);
            if value.is_empty() || !value.chars().all(plain) {
                let what =
                    format!("{option}: it must not be empty, or have quotes, `&`, `<` or `>`");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
        }
        let mut container = container;
        if container.spec().mounts.iter().all(|mount| mount.target != DATA) {
            container = container.with_tmpfs(DATA);
        }
        for (name, xml) in &self.config {
            if name.is_empty() || name.contains(['/', '\0']) {
                let what = format!("config file: `{name}` is no file name");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
            let target = format!("/etc/clickhouse-server/config.d/{name}");
            container = container.with_copy(xml.as_slice(), target);
        }
        let asking = query(&self.user, &self.password, &self.database, "SELECT 1");
        Ok(container
            .with_env("CLICKHOUSE_USER", &self.user)
            .with_env("CLICKHOUSE_PASSWORD", &self.password)
            .with_env("CLICKHOUSE_DB", &self.database)
            .with_env("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1")
            .with_wait(until_answer("ClickHouse to answer a query", PORT, asking, |answer| {
                answer.status == 200 && answer.body.trim() == "1"
            })))
    }

    async fn into_server(self, container: Container) -> Result<ClickHouseServer> {
        Ok(ClickHouseServer {
            service: Service::new(container, PORT)?,
            user: self.user,
            password: self.password,
            database: self.database,
        })
    }
}

/// A ClickHouse server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct ClickHouseServer {
    service: Service,
    user: String,
    password: String,
    database: String,
}

server!(ClickHouseServer);

impl ClickHouseServer {
    /// Returns the URL for a client on this machine, by HTTP: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Returns the address of its native protocol, for a client on this machine.
    ///
    /// # Errors
    /// Fails while the server is stopped.
    pub fn native_addr(&self) -> Result<SocketAddr> {
        self.container().addr(NATIVE_PORT)
    }

    /// Returns the user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the database that was created with the server.
    #[must_use]
    pub fn database_name(&self) -> &str {
        &self.database
    }

    /// Runs one statement. Returns its result, with tabs between columns.
    ///
    /// # Errors
    /// Fails with the server's message if the statement fails, or if the server can't be reached.
    ///
    /// # Cancel safety
    /// It may be run even if the future is dropped.
    pub async fn query(&self, sql: impl AsRef<str>) -> Result<String> {
        let asking = query(&self.user, &self.password, &self.database, sql.as_ref());
        Ok(asking.send_ok(self.addr()).await?.body)
    }

    /// Returns a unique name for a database, to be created by the test: `castoff_` and twelve
    /// characters.
    #[must_use]
    pub fn unique_name(&self) -> String {
        format!("castoff_{}", token())
    }
}

/// Returns the HTTP request for a query (ClickHouse documentation, "HTTP interface").
fn query(user: &str, password: &str, database: &str, sql: &str) -> Request {
    let request = Request::new("POST", format!("/?database={}", encode(database)));
    request.with_basic_auth(user, password).with_body(sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn clickhouse_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(
            ClickHouse::new().with_config_file("a.xml", "<clickhouse/>")
        ));
    }

    #[test]
    fn what_the_image_would_garble_is_refused() {
        let error = ClickHouse::new().with_password("a<b").configure(Container::builder("x"));
        assert!(error.err().unwrap().to_string().starts_with("password"));
    }
}

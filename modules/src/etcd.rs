//! An etcd node: [`Etcd`] describes one, [`EtcdServer`] is one that runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Etcd;
//!
//! let etcd = Etcd::new().shared().await?;
//! let mine = etcd.unique_prefix(); // what this test's keys begin with
//! etcd.put(format!("{mine}greeting"), "hello").await?;
//! println!("connect to {}", etcd.url());
//! # Ok(())
//! # }
//! ```
//!
//! Several tests can share a node when each puts a [`prefix`](EtcdServer::unique_prefix) of its own before
//! its keys. Admin actions go by the gateway that etcd has for JSON (documentation, "gRPC gateway"),
//! from version 3.4 on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result, WaitFor};
use serde_json::{Value, json};

use crate::http::Request;
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the node listens on for clients in its container.
pub const PORT: u16 = 2379;
/// The data directory. The image has no volume there.
const DATA: &str = "/castoff/etcd";

/// A description of an etcd node. Nothing happens before [`start`](Self::start).
///
/// By default: image `quay.io/coreos/etcd:v3.5.21`; no credentials; data in memory. It is ready
/// when it reports so, which it does once it is the leader.
#[must_use = "nothing is started before `start()`"]
pub struct Etcd {
    container: ContainerBuilder,
    password: Option<String>,
    flags: Vec<(String, String)>,
}

impl Etcd {
    /// Describes a node with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("quay.io/coreos/etcd:v3.5.21").with_port(PORT);
        Etcd { container, password: None, flags: Vec::new() }
    }

    /// Enables authentication, with this password for the user `root`. The data is then on disk, as
    /// a restart would lose users in memory.
    pub fn with_root_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Adds a flag of the node, passed as `--name=value`: `quota-backend-bytes`, `log-level`. It
    /// overrides this module's own.
    pub fn with_config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.flags.push((name.into(), value.into()));
        self
    }
}

module!(Etcd => EtcdServer, "quay.io/coreos/etcd");

impl Module for Etcd {
    type Server = EtcdServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        if self.password.as_ref().is_some_and(String::is_empty) {
            return Err(Error::new(ErrorKind::InvalidInput, "root password: it must not be empty"));
        }
        let mounted = container.spec().mounts.iter().any(|mount| mount.target == DATA);
        if self.password.is_none() && !mounted {
            container = container.with_tmpfs(DATA);
        }
        if container.spec().command.is_none() {
            container = container.with_command(command(&self.flags));
        }
        Ok(container.with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<EtcdServer> {
        let server =
            EtcdServer { service: Service::new(container, PORT)?, password: self.password };
        if let Some(password) = &server.password {
            let enable = async || server.enable_authentication(password).await;
            server.container().init_once("castoff etcd authentication", enable).await?;
        }
        Ok(server)
    }
}

/// Returns the command. The last value of a flag counts, so the user's come last.
fn command(flags: &[(String, String)]) -> Vec<String> {
    let mut command = vec![
        "/usr/local/bin/etcd".to_owned(),
        format!("--data-dir={DATA}"),
        format!("--listen-client-urls=http://0.0.0.0:{PORT}"),
        format!("--advertise-client-urls=http://0.0.0.0:{PORT}"),
    ];
    command.extend(flags.iter().map(|(name, value)| format!("--{name}={value}")));
    command
}

fn wait() -> ProbeWait {
    WaitFor::probe("etcd to be healthy", |target: WaitTarget| async move {
        let answer = Request::new("GET", "/health").send(target.addr(PORT)?).await?;
        target.record_probe(format!("{}: {}", answer.status, answer.body.trim()));
        let healthy = answer.body.replace(' ', "").contains(r#""health":"true""#);
        Ok(answer.status == 200 && healthy)
    })
}

/// An etcd node, removed with its data when this handle is dropped.
#[must_use = "the node is removed when its handle is dropped"]
pub struct EtcdServer {
    service: Service,
    password: Option<String>,
}

server!(EtcdServer);

impl EtcdServer {
    /// Returns the endpoint for a client on this machine: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the endpoint for a client in a network that the node is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Returns the password of the user `root` if authentication is enabled.
    #[must_use]
    pub fn root_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns a unique prefix for keys: `castoff-`, twelve characters and `/`.
    #[must_use]
    pub fn unique_prefix(&self) -> String {
        format!("castoff-{}/", token())
    }

    /// Sets a key.
    ///
    /// # Errors
    /// Fails if the node can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// It may be set even if the future is dropped.
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let put = json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) });
        self.call("/v3/kv/put", &put).await.map(drop)
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn value(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        let range = json!({ "key": STANDARD.encode(key) });
        let found = self.call("/v3/kv/range", &range).await?;
        let Some(pair) = found["kvs"].get(0) else { return Ok(None) };
        let value = STANDARD.decode(pair["value"].as_str().unwrap_or_default());
        value.map(Some).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the value is no base64").with_source(error)
        })
    }

    /// Deletes all keys with a prefix (an empty one matches all keys). Returns their number.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    ///
    /// # Cancel safety
    /// They may be deleted even if the future is dropped.
    pub async fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let (from, end) = range_of(prefix.as_ref());
        let range = json!({ "key": STANDARD.encode(&from), "range_end": STANDARD.encode(&end) });
        let done = self.call("/v3/kv/deleterange", &range).await?;
        Ok(done["deleted"].as_str().and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    async fn enable_authentication(&self, password: &str) -> Result<()> {
        let calls = [
            ("user/add", json!({ "name": "root", "password": password })),
            ("role/add", json!({ "name": "root" })),
            ("user/grant", json!({ "user": "root", "role": "root" })),
            ("enable", json!({})),
        ];
        for (call, body) in calls {
            let path = format!("/v3/auth/{call}");
            Request::new("POST", path).with_json(body.to_string()).send_ok(self.addr()).await?;
        }
        Ok(())
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let mut request = Request::new("POST", path).with_json(body.to_string());
        if let Some(password) = &self.password {
            let who = json!({ "name": "root", "password": password }).to_string();
            let login = Request::new("POST", "/v3/auth/authenticate").with_json(who);
            let answer = read(&login.send_ok(self.addr()).await?.body)?;
            let token = answer["token"].as_str().unwrap_or_default();
            request = request.with_header("Authorization", token);
        }
        read(&request.send_ok(self.addr()).await?.body)
    }
}

fn read(body: &str) -> Result<Value> {
    serde_json::from_str(body)
        .map_err(|error| Error::new(ErrorKind::Protocol, "etcd's answer").with_source(error))
}

/// Returns the range of all keys with a prefix, up to the first key after them (etcd documentation,
/// "etcd API", key ranges).
fn range_of(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    if prefix.is_empty() {
        return (vec![0], vec![0]);
    }
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return (prefix.to_vec(), end);
        }
    }
    (prefix.to_vec(), vec![0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use castoff::spec::{ContainerSpec, Mount};

    fn spec(mut server: Etcd) -> ContainerSpec {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        server.configure(container).unwrap().spec().clone()
    }

    #[test]
    fn data_is_in_memory_unless_there_are_users() {
        assert_eq!(spec(Etcd::new()).mounts, [Mount::tmpfs(DATA)]);
        assert!(spec(Etcd::new().with_root_password("x")).mounts.is_empty());
        let error = Etcd::new().with_root_password("").configure(Container::builder("x"));
        assert!(error.err().unwrap().to_string().contains("root password"));
    }

    #[test]
    fn flags_of_the_user_go_last() {
        let command =
            spec(Etcd::new().with_config("log-level", "warn")).command.unwrap_or_default();
        assert_eq!(command[0], "/usr/local/bin/etcd");
        assert_eq!(command[4], "--log-level=warn");
    }

    #[test]
    fn a_prefix_ends_before_the_next_key() {
        assert_eq!(range_of(b"ab"), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(range_of(b"a\xff\xff"), (b"a\xff\xff".to_vec(), b"b".to_vec()));
        assert_eq!(range_of(b"\xff"), (b"\xff".to_vec(), vec![0]));
        assert_eq!(range_of(b""), (vec![0], vec![0]));
    }
}

//! A MongoDB server: [`MongoDb`] describes one, [`MongoDbServer`] is a handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::MongoDb;
//!
//! let server = MongoDb::new().shared().await?;
//! let mine = server.unique_name(); // a database of this test's own
//! println!("connect to {}", server.url_for(&mine));
//! # Ok(())
//! # }
//! ```
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, Module, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::{Answer, until_ready};
use crate::shape::{Service, module, server};
use crate::unique::token;
use crate::url::encode;

/// The port that the server listens on in its container.
pub const PORT: u16 = 27017;
const DATA: &str = "/data/db";
const OP_MSG: u32 = 2013;
/// Limit for the length of an answer, in bytes.
const LONGEST: u32 = 1 << 20;

/// A description of a MongoDB server. Nothing happens before [`start`](Self::start).
///
/// By default: image `mongo:8.0`; a replica set of one, for transactions and change streams; no
/// credentials; data in memory. It is ready when it is the set's primary.
#[must_use = "nothing is started before `start()`"]
pub struct MongoDb {
    container: ContainerBuilder,
    arguments: Vec<String>,
}

impl MongoDb {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("mongo:8.0").with_port(PORT);
        MongoDb { container, arguments: Vec::new() }
    }

    /// Adds arguments of `mongod`, such as `--setParameter` and `ttlMonitorSleepSecs=1`.
    pub fn with_arguments(
        mut self,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

module!(MongoDb => MongoDbServer, "mongo");

impl Module for MongoDb {
    type Server = MongoDbServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        if container.spec().mounts.iter().all(|mount| mount.target != DATA) {
            container = container.with_tmpfs(DATA);
        }
        if container.spec().command.is_none() {
            let own = ["mongod", "--replSet", "castoff", "--bind_ip_all"].map(str::to_owned);
            container = container.with_command(own.into_iter().chain(self.arguments.clone()));
        }
        Ok(container.with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<MongoDbServer> {
        Ok(MongoDbServer { service: Service::new(container, PORT)? })
    }
}

/// A MongoDB server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct MongoDbServer {
    service: Service,
}

server!(MongoDbServer);

impl MongoDbServer {
    /// Returns the URL for a client on this machine, with the database `test`:
    /// `mongodb://127.0.0.1:49153/test?directConnection=true`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("test")
    }

    /// Returns the URL of another database.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        format!("mongodb://{}/{}?directConnection=true", self.addr(), encode(database))
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("mongodb://{}/test?directConnection=true", self.network_addr())
    }

    /// Returns a unique name for a database: `castoff-` and twelve characters. MongoDB creates it
    /// at its first use.
    #[must_use]
    pub fn unique_name(&self) -> String {
        format!("castoff-{}", token())
    }

    /// Runs JavaScript with `mongosh` in the container, on a database. Returns its output.
    ///
    /// # Errors
    /// Fails with the output of `mongosh` if it fails.
    ///
    /// # Cancel safety
    /// It may continue after the future is dropped.
    pub async fn eval(&self, database: &str, script: impl AsRef<str>) -> Result<String> {
        let command = ["mongosh", "--quiet", database, "--eval", script.as_ref()];
        Ok(self.container().exec(command).await?.ok()?.stdout_text().into_owned())
    }
}

fn wait() -> ProbeWait {
    until_ready("MongoDB to be primary".into(), PORT, |mut stream| async move {
        primary(&mut stream).await
    })
}

/// Checks whether the server is the primary; if it is in no set yet, makes it create one.
async fn primary(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Answer> {
    let hello = document(&[int("hello", 1), text("$db", "admin")]);
    let answer = exchange(stream, &hello).await?;
    if flag(&answer, "isWritablePrimary") == Some(true) {
        return Ok(Answer::Ready("it is".into()));
    }
    if contains(&answer, b"setName\0") {
        return Ok(Answer::NotYet("a member that is no primary".into()));
    }
    let host = format!("127.0.0.1:{PORT}");
    let member = document(&[int("_id", 0), text("host", &host)]);
    let members = document(&[nested(4, "0", &member)]);
    let set = document(&[text("_id", "castoff"), nested(4, "members", &members)]);
    let initiate = document(&[nested(3, "replSetInitiate", &set), text("$db", "admin")]);
    exchange(stream, &initiate).await?;
    Ok(Answer::NotYet("a set is made".into()))
}

/// Sends a command and reads its answer's document (MongoDB documentation, "OP_MSG").
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    command: &[u8],
) -> io::Result<Vec<u8>> {
    let length = u32::try_from(command.len() + 21).unwrap_or(u32::MAX);
    let mut message = [length, 1, 0, OP_MSG, 0].map(u32::to_le_bytes).concat();
    message.push(0);
    message.extend_from_slice(command);
    stream.write_all(&message).await?;
    let length = stream.read_u32_le().await?;
    if !(21..LONGEST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer unlike MongoDB's"));
    }
    let mut answer = vec![0; length as usize - 4];
    stream.read_exact(&mut answer).await?;
    Ok(answer.split_off(17))
}

/// Writes a document: elements between a length and a NUL (BSON specification, version 1.1).
fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let elements = elements.concat();
    let length = u32::try_from(elements.len() + 5).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &elements, &[0]].concat()
}

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind][..], name.as_bytes(), &[0], value].concat()
}

fn int(name: &str, value: i32) -> Vec<u8> {
    element(0x10, name, &value.to_le_bytes())
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len() + 1).unwrap_or(u32::MAX);
    element(2, name, &[&length.to_le_bytes()[..], value.as_bytes(), &[0]].concat())
}

/// Writes a document (3) or an array (4) in another document.
fn nested(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    element(kind, name, value)
}

/// Finds the value of a boolean, at any depth.
fn flag(document: &[u8], name: &str) -> Option<bool> {
    let element = element(8, name, &[]);
    let at = document.windows(element.len()).position(|window| window == element)?;
    document.get(at + element.len()).map(|value| *value == 1)
}

fn contains(document: &[u8], part: &[u8]) -> bool {
    document.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn mongodb_is_as_its_image_has_it() {
        let module = MongoDb::new().with_arguments(["--setParameter", "ttlMonitorSleepSecs=1"]);
        insta::assert_snapshot!(json_of(module));
    }

    #[test]
    fn documents_are_bson() {
        let hello = document(&[text("hello", "world")]);
        assert_eq!(hello, b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0");
    }

    async fn told(documents: &[Vec<u8>]) -> io::Result<Answer> {
        let (mut ours, mut theirs) = tokio::io::duplex(4096);
        for document in documents {
            let length = u32::try_from(document.len() + 21).unwrap();
            let head = [length, 7, 1, OP_MSG, 0].map(u32::to_le_bytes).concat();
            theirs.write_all(&[&head[..], &[0], document].concat()).await?;
        }
        primary(&mut ours).await
    }

    #[tokio::test]
    async fn a_primary_is_ready_and_one_without_a_set_makes_one() {
        let writable = |yes| element(8, "isWritablePrimary", &[yes]);
        let answer = told(&[document(&[writable(1), text("setName", "castoff")])]).await.unwrap();
        assert!(matches!(answer, Answer::Ready(_)));
        let member = document(&[writable(0), text("setName", "castoff")]);
        assert!(matches!(told(&[member]).await.unwrap(), Answer::NotYet(_)));
        let alone = document(&[writable(0)]);
        let made = told(&[alone, document(&[int("ok", 1)])]).await.unwrap();
        assert_eq!(made, Answer::NotYet("a set is made".into()));
    }
}

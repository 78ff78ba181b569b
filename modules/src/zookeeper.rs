//! An Apache ZooKeeper node: [`ZooKeeper`] describes one, [`ZooKeeperServer`] is a handle to a
//! running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::ZooKeeper;
//!
//! let keeper = ZooKeeper::new().shared().await?;
//! let mine = keeper.chroot().await?; // a tree of this test's own
//! println!("connect to {mine}"); // 127.0.0.1:49153/castoff-5f0c2a9be411
//! # Ok(())
//! # }
//! ```

use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::probe::{Answer, exchange, until_ready};
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the node listens on for clients in its container.
pub const PORT: u16 = 2181;
/// The directories of the data and its log.
const DATA: [&str; 2] = ["/data", "/datalog"];
/// Limit for the length of an answer, in bytes.
const LONGEST: u32 = 4096;
/// The time after which a silent session expires, in milliseconds.
const SESSION: u32 = 10_000;
const CREATE: i32 = 1;
const CLOSE: i32 = -11;

/// A description of a ZooKeeper node. Nothing happens before [`start`](Self::start).
///
/// By default: image `zookeeper:3.9`; standalone, with 256 MiB of heap, no admin server, and data
/// in memory that is not synced. It is ready when it opens a session.
#[must_use = "nothing is started before `start()`"]
pub struct ZooKeeper {
    container: ContainerBuilder,
    heap: u32,
    config: Vec<(String, String)>,
}

impl ZooKeeper {
    /// Describes a node with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("zookeeper:3.9").with_port(PORT);
        ZooKeeper { container, heap: 256, config: Vec::new() }
    }

    /// Sets the heap of its virtual machine, in MiB. Default: 256.
    pub fn with_heap(mut self, mebibytes: u32) -> Self {
        self.heap = mebibytes;
        self
    }

    /// Sets an option of `zoo.cfg`: `maxSessionTimeout`, `extendedTypesEnabled`. It overrides this
    /// module's own. The image accepts no spaces in options.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}

module!(ZooKeeper => ZooKeeperServer, "zookeeper");

impl Module for ZooKeeper {
    type Server = ZooKeeperServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        let mut settings = String::from("forceSync=no");
        for (key, value) in &self.config {
            if key.is_empty() || [key, value].iter().any(|text| text.contains(char::is_whitespace))
            {
                let what = format!("config: `{key}` and its value must not have spaces");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
            settings.push_str(&format!(" {key}={value}"));
        }
        for data in DATA {
            let mounts = &container.spec().mounts;
            if mounts.iter().all(|mount| mount.target.trim_end_matches('/') != data) {
                container = container.with_tmpfs(data);
            }
        }
        Ok(container
            .with_env("ZOO_CFG_EXTRA", settings)
            .with_env("ZOO_ADMINSERVER_ENABLED", "false")
            .with_env("ZK_SERVER_HEAP", self.heap.to_string())
            .with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<ZooKeeperServer> {
        Ok(ZooKeeperServer { service: Service::new(container, PORT)? })
    }
}

/// A ZooKeeper node, removed with its data when this handle is dropped.
#[must_use = "the node is removed when its handle is dropped"]
pub struct ZooKeeperServer {
    service: Service,
}

server!(ZooKeeperServer);

impl ZooKeeperServer {
    /// Returns the connect string for a client on this machine: `127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        self.addr().to_string()
    }

    /// Returns the connect string for a client in a network that the node is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        self.network_addr()
    }

    /// Creates a unique tree and returns its connect string: for its clients, the tree's root is
    /// the root. It is removed with the node.
    ///
    /// # Errors
    /// Fails if the node can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// If the future is dropped, an empty node of that name may stay.
    pub async fn chroot(&self) -> Result<String> {
        let path = format!("/castoff-{}", token());
        self.create(&path, b"").await?;
        Ok(format!("{}{path}", self.addr()))
    }

    /// Creates a persistent node, open to everybody.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it exists, [`ErrorKind::NotFound`] if its parent does not. Also
    /// fails if the server can't be reached, or refuses.
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn create(&self, path: impl AsRef<str>, data: impl AsRef<[u8]>) -> Result<()> {
        let (path, addr) = (path.as_ref(), self.addr());
        let creating = async {
            let mut stream = TcpStream::connect(addr).await?;
            exchange(&mut stream, &hello(), LONGEST).await?;
            let answer = exchange(&mut stream, &create(path, data.as_ref()), LONGEST).await?;
            stream
                .write_all(&request(&[2_i32.to_be_bytes(), CLOSE.to_be_bytes()].concat()))
                .await?;
            Ok::<_, io::Error>(answer)
        };
        let answer = creating.await.map_err(|error| {
            Error::new(ErrorKind::Io, format!("create `{path}` at {addr}")).with_source(error)
        })?;
        match answer
            .get(12..16)
            .map(|code| i32::from_be_bytes([code[0], code[1], code[2], code[3]]))
        {
            Some(0) => Ok(()),
            Some(-101) => Err(Error::new(ErrorKind::NotFound, format!("`{path}` has no parent"))),
            Some(-110) => {
                Err(Error::new(ErrorKind::Conflict, format!("`{path}` is there already")))
            }
            Some(-8) => Err(Error::new(ErrorKind::InvalidInput, format!("path: `{path}` is none"))),
            code => Err(Error::other(format!("create `{path}`: ZooKeeper's error {code:?}"))),
        }
    }
}

fn wait() -> ProbeWait {
    until_ready("ZooKeeper to give out a session".into(), PORT, |mut stream| async move {
        let answer = exchange(&mut stream, &hello(), LONGEST).await?;
        // A refused session has a time of zero.
        let time = answer
            .get(4..8)
            .map_or(0, |time| u32::from_be_bytes([time[0], time[1], time[2], time[3]]));
        if time == 0 {
            return Ok(Answer::NotYet("no session".into()));
        }
        stream.write_all(&request(&[1_i32.to_be_bytes(), CLOSE.to_be_bytes()].concat())).await?;
        Ok(Answer::Ready(format!("a session of {time} ms")))
    })
}

/// Writes a `ConnectRequest`, as in ZooKeeper's `zookeeper.jute`: version, last transaction seen,
/// timeout, session and its password, and whether read-only access is enough.
fn hello() -> Vec<u8> {
    let mut body = [0; 12].to_vec();
    body.extend(SESSION.to_be_bytes());
    body.extend([0; 8]);
    body.extend(buffer(&[0; 16]));
    body.push(0);
    request(&body)
}

/// Writes a header and a `CreateRequest`: path, data, access rights, flags.
fn create(path: &str, data: &[u8]) -> Vec<u8> {
    const ALL: i32 = 31;
    let mut body = [1_i32.to_be_bytes(), CREATE.to_be_bytes()].concat();
    body.extend(buffer(path.as_bytes()));
    body.extend(buffer(data));
    body.extend([1_i32.to_be_bytes(), ALL.to_be_bytes()].concat());
    body.extend([buffer(b"world"), buffer(b"anyone")].concat());
    body.extend(0_i32.to_be_bytes());
    request(&body)
}

fn request(body: &[u8]) -> Vec<u8> {
    buffer(body)
}

/// Writes bytes after their length.
fn buffer(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_length_first() {
        let hello = hello();
        assert_eq!((hello.len(), &hello[..4]), (49, &45_u32.to_be_bytes()[..]));
        let create = create("/a", b"xy");
        assert_eq!(create.len() - 4, create[3] as usize);
        assert_eq!(&create[12..24], b"\0\0\0\x02/a\0\0\0\x02xy");
    }

    #[test]
    fn settings_are_words() {
        let module = ZooKeeper::new().with_config("tickTime", "500").with_heap(64);
        let lowered = module.configure(Container::builder("x")).unwrap();
        assert_eq!(lowered.spec().env["ZOO_CFG_EXTRA"], "forceSync=no tickTime=500");
        assert_eq!(lowered.spec().env["ZK_SERVER_HEAP"], "64");
        assert_eq!(lowered.spec().mounts.len(), 2);
        let error = ZooKeeper::new().with_config("a", "b c").configure(Container::builder("x"));
        assert!(error.err().unwrap().to_string().contains("`a`"));
    }

    #[tokio::test]
    async fn what_is_no_zookeeper_is_told() {
        let (mut ours, mut theirs) = tokio::io::duplex(256);
        theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        let error = exchange(&mut ours, &hello(), LONGEST).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

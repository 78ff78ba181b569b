//! A Memcached server: [`Memcached`] describes one, [`MemcachedServer`] is one that runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Memcached;
//!
//! let cache = Memcached::new().with_memory(128).shared().await?;
//! let mine = cache.unique_prefix(); // what this test's keys begin with
//! println!("connect to {}, and use {mine}", cache.url());
//! # Ok(())
//! # }
//! ```
//!
//! Several tests can share a server when each puts a [`prefix`](MemcachedServer::unique_prefix) of its own
//! before its keys; the server has nothing to keep them apart itself.

use std::collections::BTreeMap;
use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::probe::{Answer, text, until_ready};
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the server listens on in its container.
pub const PORT: u16 = 11211;
/// Limit for the length of an answer, in bytes.
const LONGEST: usize = 64 << 10;

/// A description of a Memcached server. Nothing happens before [`start`](Self::start).
///
/// By default: image `memcached:1.6`; the server's own limits of 64 MiB for items and 1024
/// connections. There are no credentials. It is ready when it answers `version`.
#[must_use = "nothing is started before `start()`"]
pub struct Memcached {
    container: ContainerBuilder,
    memory: Option<u32>,
    config: Vec<String>,
}

impl Memcached {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("memcached:1.6").with_port(PORT);
        Memcached { container, memory: None, config: Vec::new() }
    }

    /// Sets the memory for items, in MiB. Default: 64.
    pub fn with_memory(mut self, mebibytes: u32) -> Self {
        self.memory = Some(mebibytes);
        self
    }

    /// Adds arguments of the server, such as `-I 4m` or `--extended=no_lru_crawler`.
    pub fn with_arguments(
        mut self,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.config.extend(arguments.into_iter().map(Into::into));
        self
    }
}

module!(Memcached => MemcachedServer, "memcached");

impl Module for Memcached {
    type Server = MemcachedServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        if self.memory == Some(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "memory: it must be at least 1 MiB"));
        }
        if container.spec().command.is_none() {
            let mut command = vec!["memcached".to_owned()];
            command.extend(self.memory.map(|mebibytes| format!("--memory-limit={mebibytes}")));
            command.extend(self.config.iter().cloned());
            container = container.with_command(command);
        }
        Ok(container.with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<MemcachedServer> {
        Ok(MemcachedServer { service: Service::new(container, PORT)? })
    }
}

/// A Memcached server, removed when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct MemcachedServer {
    service: Service,
}

server!(MemcachedServer);

impl MemcachedServer {
    /// Returns the URL for a client on this machine: `memcache://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcache://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("memcache://{}", self.network_addr())
    }

    /// Returns a unique prefix for keys: `castoff-`, twelve characters and `:`.
    #[must_use]
    pub fn unique_prefix(&self) -> String {
        format!("castoff-{}:", token())
    }

    /// Deletes all items, including those of others who share the server.
    ///
    /// # Errors
    /// Fails if the server can't be reached.
    ///
    /// # Cancel safety
    /// It may be done even if the future is dropped.
    pub async fn flush(&self) -> Result<()> {
        match self.ask("flush_all").await?.as_str() {
            "OK" => Ok(()),
            other => Err(Error::other(format!("flush_all: {other}"))),
        }
    }

    /// Returns the server's statistics: `curr_items`, `bytes`, `get_hits`, `evictions` and so on.
    ///
    /// # Errors
    /// Fails if the server can't be reached.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn stats(&self) -> Result<BTreeMap<String, String>> {
        let answer = self.ask("stats").await?;
        let pairs = answer.lines().filter_map(|line| line.strip_prefix("STAT ")?.split_once(' '));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    async fn ask(&self, command: &str) -> Result<String> {
        let asking = async {
            let mut stream = TcpStream::connect(self.addr()).await?;
            exchange(&mut stream, command).await
        };
        let answer = asking.await.map_err(|error| {
            Error::new(ErrorKind::Io, format!("{command} at {}", self.addr())).with_source(error)
        })?;
        Ok(text(&answer))
    }
}

fn wait() -> ProbeWait {
    until_ready("Memcached to answer".into(), PORT, |mut stream| async move {
        let said = text(&exchange(&mut stream, "version").await?);
        let ready = said.starts_with("VERSION ");
        Ok(if ready { Answer::Ready(said) } else { Answer::NotYet(said) })
    })
}

/// Sends a command and reads to its last line (Memcached's `doc/protocol.txt`).
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    command: &str,
) -> io::Result<Vec<u8>> {
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let several = answer.starts_with(b"STAT ");
        let last: &[u8] = if several { b"\r\nEND\r\n" } else { b"\r\n" };
        if answer.ends_with(last) || answer.len() > LONGEST {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(mut server: Memcached) -> Vec<String> {
        let container = std::mem::replace(&mut server.container, Container::builder(""));
        server.configure(container).unwrap().spec().command.clone().unwrap_or_default()
    }

    #[test]
    fn options_are_arguments() {
        assert_eq!(command(Memcached::new()), ["memcached"]);
        let server = Memcached::new().with_memory(128).with_arguments(["-I", "4m"]);
        assert_eq!(command(server), ["memcached", "--memory-limit=128", "-I", "4m"]);
        let theirs = Memcached::new().with_memory(1).customize(|c| c.with_command(["x"]));
        assert_eq!(command(theirs), ["x"]);
    }

    #[test]
    fn no_memory_is_refused() {
        let error =
            Memcached::new().with_memory(0).configure(Container::builder("x")).err().unwrap();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_may_have_several_lines_and_come_in_pieces() {
        let (mut ours, mut theirs) = tokio::io::duplex(256);
        let server = tokio::spawn(async move {
            let mut command = [0; 7];
            theirs.read_exact(&mut command).await?;
            theirs.write_all(b"STAT pid 1\r\nSTAT ").await?;
            theirs.write_all(b"uptime 2\r\nEND\r\n").await?;
            Ok::<_, io::Error>(command)
        });
        let answer = exchange(&mut ours, "stats").await.unwrap();
        assert_eq!(text(&answer), "STAT pid 1\r\nSTAT uptime 2\r\nEND");
        assert_eq!(server.await.unwrap().unwrap(), *b"stats\r\n");
    }
}

//! [`PortWait`]: a TCP port accepts a connection and keeps it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::backoff::Backoff;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{Port, Protocol};

/// How long one attempt to connect may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How long a connection must live: at least, at most, and as a multiple of how long the
/// engine's proxy was seen to take to give one up.
const KEPT_MIN: Duration = Duration::from_millis(10);
const KEPT_MAX: Duration = Duration::from_millis(250);
const KEPT_FACTOR: u32 = 4;

/// A published TCP port accepts a connection and keeps it; made by [`WaitFor::port`].
///
/// Probed from the host, so the image needs no shell. A proxy in front of the container (Docker
/// has one) accepts before the service listens and then closes again: such a connection does
/// not count.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct PortWait(std::result::Result<Port, String>);

impl PortWait {
    pub(super) fn new(port: Result<Port>) -> Self {
        PortWait(port.map_err(|error| error.to_string()))
    }

    /// A limit for this condition alone.
    pub fn timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).timeout(limit)
    }
}

impl WaitStrategy for PortWait {
    fn describe(&self) -> String {
        match &self.0 {
            Ok(port) => format!("port {port} to accept connections"),
            Err(error) => error.clone(),
        }
    }

    fn check(&self) -> Result<()> {
        match &self.0 {
            Ok(port) if port.protocol() == Protocol::Tcp => Ok(()),
            Ok(port) => Err(Error::invalid("wait", format!("port {port} is not a TCP port"))),
            Err(error) => Err(Error::new(ErrorKind::InvalidInput, error.clone())),
        }
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            self.check()?;
            let Ok(port) = &self.0 else { return Ok(()) };
            accepts(target, target.addr(*port)?).await;
            Ok(())
        })
    }
}

/// Comes back when a connection to the address is accepted and kept.
async fn accepts(target: &WaitTarget, address: SocketAddr) {
    let mut backoff = Backoff::new();
    let mut kept = KEPT_MIN;
    loop {
        match attempt(address, kept).await {
            Ok(Outcome::Kept) => return,
            Ok(Outcome::Dropped(after)) => {
                kept = (after * KEPT_FACTOR).clamp(kept, KEPT_MAX);
                target.seen(format!("{address} accepted a connection and closed it again"));
            }
            Err(error) => target.seen(format!("{address}: {error}")),
        }
        backoff.pause().await;
    }
}

enum Outcome {
    Kept,
    Dropped(Duration),
}

async fn attempt(address: SocketAddr, kept: Duration) -> io::Result<Outcome> {
    let mut stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
    let start = Instant::now();
    let mut byte = [0; 1];
    match tokio::time::timeout(kept, stream.read(&mut byte)).await {
        // Silence: it is the service's guest. A byte: the service speaks first.
        Err(_) | Ok(Ok(1..)) => Ok(Outcome::Kept),
        Ok(Ok(0) | Err(_)) => Ok(Outcome::Dropped(start.elapsed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn only_a_kept_connection_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (first, _) = listener.accept().await.unwrap();
            drop(first);
            let (second, _) = listener.accept().await.unwrap();
            let (mut third, _) = listener.accept().await.unwrap();
            third.write_all(b"220 hello").await.unwrap();
            (second, third)
        });
        let limit = Duration::from_secs(5);
        assert!(matches!(attempt(address, limit).await.unwrap(), Outcome::Dropped(_)));
        assert!(matches!(attempt(address, KEPT_MIN).await.unwrap(), Outcome::Kept));
        assert!(matches!(attempt(address, limit).await.unwrap(), Outcome::Kept));
        drop(served.await);
        assert!(attempt(address, KEPT_MIN).await.is_err());
    }

    #[test]
    fn only_tcp_ports_can_be_probed() {
        assert!(WaitFor::port(80).check().is_ok());
        assert!(WaitFor::port("53/udp").check().is_err());
        assert!(WaitFor::port(0).check().is_err());
    }
}

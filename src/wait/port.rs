//! [`PortWait`]: waits until a TCP port accepts a connection and keeps it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

use super::backoff::Backoff;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, Result};
use crate::spec::{Port, Protocol};

/// Limit for one attempt to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How long a connection must stay open: at least, at most, and as a multiple of the time that the
/// engine's proxy took to close one.
const KEPT_MIN: Duration = Duration::from_millis(10);
const KEPT_MAX: Duration = Duration::from_millis(250);
const KEPT_FACTOR: u32 = 4;
/// The same if the container's own address refuses connections.
const KEPT_AGAINST: Duration = Duration::from_secs(1);

/// A wait for a published TCP port to accept a connection and keep it; made by [`WaitFor::port`].
///
/// The probe runs on the host, so the image needs no shell. A proxy in front of the container
/// (Docker has one) accepts before the service listens and then closes again: such a connection
/// does not count. If the container's own address can be reached, it is probed as well, which tells
/// the service from the proxy at once; else a connection has to stay open for 10 ms, or longer if
/// the proxy was slow to close an earlier one.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct PortWait(Result<Port>);

impl PortWait {
    pub(super) fn new(port: Result<Port>) -> Self {
        PortWait(port)
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl WaitStrategy for PortWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("port {:?}", self.0))
    }

    fn describe(&self) -> String {
        match &self.0 {
            Ok(port) => format!("port {port} to accept connections"),
            Err(error) => error.to_string(),
        }
    }

    fn check(&self) -> Result<()> {
        match &self.0 {
            Ok(port) if port.protocol() == Protocol::Tcp => Ok(()),
            Ok(port) => Err(Error::invalid("wait", format!("port {port} is not a TCP port"))),
            Err(error) => Err(error.clone()),
        }
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            self.check()?;
            let Ok(port) = &self.0 else { return Ok(()) };
            accepts(target, *port).await
        })
    }
}

/// Returns when a connection to the port is accepted and kept. A container gets a new address each
/// time its restart policy starts it again.
async fn accepts(target: &WaitTarget, port: Port) -> Result<()> {
    let mut backoff = Backoff::new();
    let mut kept = KEPT_MIN;
    let (mut of, mut way) = (None, None);
    loop {
        let Some(address) = target.addr_of_run(port)? else {
            backoff.pause().await;
            continue;
        };
        if of != Some(address) {
            (of, way) = (Some(address), behind(target, port).await);
        }
        match attempt(address, way, kept).await {
            Ok(Outcome::Kept) => return Ok(()),
            Ok(Outcome::Dropped(after)) => {
                kept = (after * KEPT_FACTOR).clamp(kept, KEPT_MAX);
                target.record_probe(format!("{address} accepted a connection and closed it again"));
            }
            Err(error) => target.record_probe(format!("{address}: {error}")),
        }
        backoff.pause().await;
    }
}

enum Outcome {
    Kept,
    Dropped(Duration),
}

async fn attempt(
    address: SocketAddr,
    behind: Option<SocketAddr>,
    kept: Duration,
) -> io::Result<Outcome> {
    let mut stream = connect(address).await?;
    let start = Instant::now();
    let mut byte = [0; 1];
    let mut reading = std::pin::pin!(stream.read(&mut byte));
    let asking = std::pin::pin!(ask(behind));
    // `select` polls `asking` first: a verdict in time counts, even if this task is polled late.
    let undecided = tokio::time::timeout(kept, &mut reading);
    let read = match select(asking, std::pin::pin!(undecided)).await {
        Either::Left((true, _)) => return Ok(Outcome::Kept),
        // The proxy closes soon, unless another machine with the same address refused.
        Either::Left((false, _)) => tokio::time::timeout(KEPT_AGAINST, reading).await,
        Either::Right((read, _)) => read,
    };
    match read {
        // Silence: connected to the service. A byte: the service speaks first.
        Err(_) | Ok(Ok(1..)) => Ok(Outcome::Kept),
        Ok(Ok(0) | Err(_)) => Ok(Outcome::Dropped(start.elapsed())),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

/// Returns whether the container itself accepts a connection. Never returns if that is unknown.
async fn ask(behind: Option<SocketAddr>) -> bool {
    let Some(address) = behind else { return std::future::pending().await };
    match TcpStream::connect(address).await {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => false,
        Err(_) => std::future::pending().await,
    }
}

/// Returns the container's own address, if it is in a network that this machine is the gateway of:
/// traffic to that address reaches no other machine.
async fn behind(target: &WaitTarget, port: Port) -> Option<SocketAddr> {
    if !target.client().host().is_loopback() || target.client().endpoint().socket().is_none() {
        return None;
    }
    let details = target.details();
    for network in details.networks.values() {
        let (Some(ip @ IpAddr::V4(_)), Some(gateway)) = (network.ip, network.gateway) else {
            continue;
        };
        let address = SocketAddr::new(ip, port.number());
        if source_for(address).await.is_ok_and(|source| source == gateway) {
            return Some(address);
        }
    }
    None
}

/// Returns the address of this machine that the kernel would send from. Connecting a UDP socket
/// looks up the route and sends nothing.
async fn source_for(address: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).await?;
    socket.connect(address).await?;
    Ok(socket.local_addr()?.ip())
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
        assert!(matches!(attempt(address, None, limit).await.unwrap(), Outcome::Dropped(_)));
        assert!(matches!(attempt(address, None, KEPT_MIN).await.unwrap(), Outcome::Kept));
        assert!(matches!(attempt(address, None, limit).await.unwrap(), Outcome::Kept));
        drop(served.await);
        assert!(attempt(address, None, KEPT_MIN).await.is_err());
    }

    #[tokio::test]
    async fn what_stands_behind_has_the_first_word() {
        let [proxy, service] = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let (proxy, service) = (proxy.await.unwrap(), service.await.unwrap());
        let [front, back] = [&proxy, &service].map(|it| it.local_addr().unwrap());
        let long = Duration::from_secs(60);
        // The service listens: whether the connection is kept does not matter.
        assert!(matches!(attempt(front, Some(back), long).await.unwrap(), Outcome::Kept));
        // The service does not listen: the probe waits for a proxy that is slow to close.
        drop(service);
        let slow = tokio::spawn(async move {
            let (_first, _) = proxy.accept().await.unwrap();
            let (second, _) = proxy.accept().await.unwrap();
            tokio::time::sleep(KEPT_MIN * 5).await;
            drop(second);
            proxy
        });
        let outcome = attempt(front, Some(back), KEPT_MIN).await.unwrap();
        assert!(matches!(outcome, Outcome::Dropped(_)));
        // A proxy that keeps the connection nevertheless is believed.
        let _proxy = slow.await.unwrap();
        assert!(matches!(attempt(front, Some(back), KEPT_MIN).await.unwrap(), Outcome::Kept));
    }

    #[tokio::test]
    async fn routes_are_looked_up_without_sending() {
        let loopback = source_for("127.0.0.1:9".parse().unwrap()).await.unwrap();
        assert_eq!(loopback, IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn only_tcp_ports_can_be_probed() {
        assert!(WaitFor::port(80).check().is_ok());
        assert!(WaitFor::port("53/udp").check().is_err());
        assert!(WaitFor::port(0).check().is_err());
    }
}

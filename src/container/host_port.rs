//! Access of a container to ports of this machine's loopback.
//!
//! A forwarder in this process listens on the gateway's address of the container's network, an
//! address of the bridge. It accepts connections from that network's addresses only, and ends with
//! the last handle of the container.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::engine::{BridgeAddress, Client};
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::Worker;
use crate::spec::ContainerSpec;

/// The name under which a container reaches this machine, as on Docker Desktop.
const HOST: &str = "host.docker.internal";
const BACKLOG: u32 = 128;
/// Pause after a failure to accept a connection, for example for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// A forwarded port. Dropping this ends the forwarding.
#[derive(Debug)]
pub(super) struct Forwarder(AbortHandle);

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Forwards these ports, and adds the name for this machine to the container's hosts.
pub(super) async fn forward(
    engine: &Client,
    spec: &mut ContainerSpec,
    ports: &[u16],
) -> Result<Vec<Forwarder>> {
    if let Some(mode) = &spec.network_mode {
        let message = format!("network mode `{mode}` has no gateway to reach the host under");
        return Err(Error::invalid("host port", message));
    }
    if engine.endpoint().socket().is_none() || !engine.reach().address.is_loopback() {
        return Err(unsupported("the engine is not on this machine", None));
    }
    let default = if engine.is_podman() { "podman" } else { "bridge" };
    let network = spec.networks.first().map_or(default, |first| first.network.as_str());
    let Some(bridge) = engine.bridge_address(network).await? else {
        let message = format!("network `{network}` has no IPv4 gateway");
        return Err(unsupported(&message, None));
    };
    // Podman creates a bridge when the first container of its network starts.
    let early = engine.is_podman();
    let mut forwarders = Vec::new();
    for port in ports {
        forwarders.extend(forwarder(bridge, *port, early).await?);
    }
    spec.extra_hosts.insert(HOST.to_owned(), bridge.gateway.to_string());
    Ok(forwarders)
}

fn unsupported(why: &str, cause: Option<io::Error>) -> Error {
    let message = format!("a port of this machine can't be forwarded to the container: {why}");
    let error = Error::new(ErrorKind::Unsupported, message).with_hint(
        "where the engine has a way of its own to the host, as Docker Desktop, use \
         `.with_extra_host(\"host.docker.internal\", \"host-gateway\")`",
    );
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

/// Forwards one port; returns `None` if the service listens on all addresses, which include the
/// gateway's. With `early`, the gateway's address may not exist on this machine yet.
async fn forwarder(bridge: BridgeAddress, port: u16, early: bool) -> Result<Option<Forwarder>> {
    let place = SocketAddr::from((bridge.gateway, port));
    let binding = async move {
        let listener = listen(place, early)?;
        Ok::<_, io::Error>(tokio::spawn(serve(listener, bridge, port)).abort_handle())
    };
    let error = match Worker::start()?.run(binding).await? {
        Ok(task) => return Ok(Some(Forwarder(task))),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::AddrInUse if listens_everywhere(port).await => Ok(None),
        io::ErrorKind::AddrInUse => {
            let message = format!("{place}, where port {port} would be forwarded from, is taken");
            Err(Error::new(ErrorKind::PortTaken, message).with_source(error))
        }
        io::ErrorKind::AddrNotAvailable => {
            let message = format!("{} is no address of this machine", bridge.gateway);
            Err(unsupported(&message, Some(error)))
        }
        _ => Err(unsupported(&format!("{place} can't be listened on"), Some(error))),
    }
}

/// Listens so that several processes of this user can forward the same port, to the same service.
fn listen(place: SocketAddr, early: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(target_os = "linux")]
    if early {
        rustix::net::sockopt::set_ip_freebind(&socket, true)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = early;
    socket.set_reuseport(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind(place)?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener, bridge: BridgeAddress, port: u16) {
    // Dropping this set with the future ends all open connections.
    let mut open = JoinSet::new();
    loop {
        let (mut near, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, port, "a connection to a forwarded port can't be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while open.try_join_next().is_some() {}
        // Other machines and other bridges may have a route to this address.
        if !matches!(peer.ip(), IpAddr::V4(ip) if bridge.holds(ip)) {
            tracing::warn!(%peer, port, "a connection from outside of the network is refused");
            continue;
        }
        open.spawn(async move {
            let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}

/// Returns whether a service listens on all of this machine's addresses (proc(5), `/proc/net/tcp`).
async fn listens_everywhere(port: u16) -> bool {
    let mut found = false;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = tokio::fs::read_to_string(table).await.unwrap_or_default();
        found |= text.lines().any(|line| is_listener_everywhere(line, port));
    }
    found
}

fn is_listener_everywhere(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let (Some(local), Some(state)) = (fields.next(), fields.nth(1)) else { return false };
    let Some((address, number)) = local.split_once(':') else { return false };
    state == "0A" && address.bytes().all(|b| b == b'0') && number == format!("{port:04X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_told_from_others() {
        let listens = |line| is_listener_everywhere(line, 8080);
        assert!(listens("   0: 00000000:1F90 00000000:0000 0A 00000000:00000000"));
        assert!(!listens("   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000"));
        assert!(!listens("   2: 00000000:1F91 00000000:0000 0A 00000000:00000000"));
        assert!(!listens("   3: 00000000:1F90 0100007F:9C40 01 00000000:00000000"));
    }
}

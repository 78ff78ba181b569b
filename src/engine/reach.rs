//! [`Reach`]: from where this program stands, how a published port is bound and reached.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::Endpoint;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// How published ports are bound on the engine's machine, and reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The address that ports are published on.
    pub(crate) bind: IpAddr,
    /// The address that they are reached under.
    pub(crate) address: IpAddr,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Reach {
    /// Loopback where the engine is on this machine; all interfaces only where there is no
    /// other way to be reached: a remote engine, or a program that itself runs in a container.
    pub(super) async fn of(endpoint: &Endpoint, config: &Config) -> Result<Reach> {
        let address = match (&config.host, endpoint) {
            (Some(host), _) => resolve(host).await?,
            (None, Endpoint::Tcp { host, .. }) => resolve(host).await?,
            (None, Endpoint::Unix(socket)) => match own_gateway(socket).await {
                Some(gateway) => gateway,
                None => LOOPBACK,
            },
        };
        let bind = if address.is_loopback() { LOOPBACK } else { EVERYWHERE };
        Ok(Reach { bind, address })
    }
}

/// An IPv4 address where the name has one: published ports are bound on IPv4.
async fn resolve(host: &str) -> Result<IpAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found: Vec<_> = tokio::net::lookup_host((host, 0))
        .await
        .map_err(|error| {
            Error::new(ErrorKind::NoEngine, format!("the engine's host `{host}` has no address"))
                .with_source(error)
        })?
        .map(|address| address.ip())
        .collect();
    let first = found.iter().find(|ip| ip.is_ipv4()).or(found.first()).copied();
    first.ok_or_else(|| {
        Error::new(ErrorKind::NoEngine, format!("the engine's host `{host}` has no address"))
    })
}

/// The default gateway, when this program runs in a container beside the ones it starts.
async fn own_gateway(socket: &Path) -> Option<IpAddr> {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    if !marks.iter().any(|mark| Path::new(mark).exists()) || !is_outside(socket).await {
        return None;
    }
    let routes = tokio::fs::read_to_string("/proc/net/route").await.ok()?;
    gateway_of(&routes)
}

/// Whether the engine runs outside of this program's process namespace: the kernel then has no
/// process id for the other end of its socket (unix(7), `SO_PEERCRED`). An engine that runs in
/// the same container or virtual machine is near, whatever marks lie about.
#[cfg(unix)]
async fn is_outside(socket: &Path) -> bool {
    let Ok(stream) = tokio::net::UnixStream::connect(socket).await else { return false };
    stream.peer_cred().is_ok_and(|peer| peer.pid() == Some(0))
}

#[cfg(not(unix))]
async fn is_outside(_socket: &Path) -> bool {
    false
}

/// The gateway of the default route, from the table in `/proc/net/route` (addresses are
/// little-endian hex, proc(5)).
fn gateway_of(routes: &str) -> Option<IpAddr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|bits| *bits != 0)?;
        (destination == "00000000").then(|| IpAddr::V4(Ipv4Addr::from(gateway.to_le_bytes())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_read_from_the_route_table() {
        let table = "Iface\tDestination\tGateway\tFlags\n\
                     eth0\t0011AC00\t00000000\t0001\n\
                     eth0\t00000000\t010011AC\t0003\n";
        assert_eq!(gateway_of(table), Some(IpAddr::from([172, 17, 0, 1])));
        assert_eq!(gateway_of("Iface\n"), None);
    }

    #[tokio::test]
    async fn loopback_stays_loopback_and_the_rest_is_bound_everywhere() {
        let config = |host: &str| Config { host: Some(host.into()), ..Config::default() };
        let unix = Endpoint::Unix("/x".into());
        let near = Reach::of(&unix, &config("localhost")).await.unwrap();
        assert_eq!(near, Reach { bind: LOOPBACK, address: LOOPBACK });
        let far = Reach::of(&unix, &config("192.0.2.7")).await.unwrap();
        assert_eq!(far, Reach { bind: EVERYWHERE, address: IpAddr::from([192, 0, 2, 7]) });
        let tcp = Endpoint::Tcp { host: "127.0.0.1".into(), port: 2375 };
        assert_eq!(Reach::of(&tcp, &Config::default()).await.unwrap().bind, LOOPBACK);
    }
}

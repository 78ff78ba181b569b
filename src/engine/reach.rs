//! [`Reach`]: how published ports are bound and reached, from the place where this program runs.

use std::net::{IpAddr, Ipv4Addr};

use super::Endpoint;
use super::test_host::{Place, TestHost};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// The addresses that bind published ports on the engine's machine, and that reach them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The address that ports are published on.
    pub(crate) bind: IpAddr,
    /// The address that reaches them.
    pub(crate) address: IpAddr,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Reach {
    /// Chooses loopback if the engine is on this machine. A program that itself runs in a container
    /// reaches the machine by its gateway's address. Ports are published on that address alone if
    /// it is known to be the machine's, and on all interfaces only if there is no other way to
    /// reach them.
    pub(super) async fn of(
        endpoint: &Endpoint,
        config: &Config,
        place: &Place,
        desktop: bool,
    ) -> Result<Reach> {
        let address = match (&config.host, endpoint) {
            (Some(host), _) => resolve(host).await?,
            (None, Endpoint::Tcp { host, .. }) => resolve(host).await?,
            (None, Endpoint::Unix(_)) => own_gateway(place).await.unwrap_or(LOOPBACK),
        };
        let is_machines = || {
            let own = place.own.as_ref();
            let known = own.is_some_and(|own| own.gateways.contains(&address));
            known && config.host.is_none() && !desktop && users_are_the_machines()
        };
        let bind = match address {
            _ if address.is_loopback() => LOOPBACK,
            _ if is_machines() => address,
            _ => EVERYWHERE,
        };
        Ok(Reach { bind, address })
    }
}

/// Returns whether user ids here are those of the machine. Rootless engines have a network of their
/// own, whose gateway is not an address of the machine.
fn users_are_the_machines() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Resolves a name, to an IPv4 address if it has one: published ports are bound on IPv4.
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

/// Returns the default gateway if this program runs in a container beside the ones it starts.
async fn own_gateway(place: &Place) -> Option<IpAddr> {
    match (&place.test_host, &place.own) {
        (TestHost::Container { .. }, Some(own)) if own.has_network_of_machine => return None,
        (TestHost::Container { .. }, _) if place.engine_is_outside || place.own.is_some() => {}
        _ => return None,
    }
    let routes = tokio::fs::read_to_string("/proc/net/route").await.ok()?;
    gateway_of(&routes)
}

/// Reads the gateway of the default route from the table in `/proc/net/route` (addresses are
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
    use super::super::test_host::OwnContainer;
    use super::*;

    #[test]
    fn the_gateway_is_read_from_the_route_table() {
        let table = "Iface\tDestination\tGateway\tFlags\n\
                     eth0\t0011AC00\t00000000\t0001\n\
                     eth0\t00000000\t010011AC\t0003\n";
        assert_eq!(gateway_of(table), Some(IpAddr::from([172, 17, 0, 1])));
        assert_eq!(gateway_of("Iface\n"), None);
    }

    fn place(own: Option<OwnContainer>) -> Place {
        Place { test_host: TestHost::Machine, engine_is_outside: false, own }
    }

    #[tokio::test]
    async fn loopback_stays_loopback_and_the_rest_is_bound_everywhere() {
        let config = |host: &str| Config { host: Some(host.into()), ..Config::default() };
        let unix = Endpoint::Unix("/x".into());
        let near = Reach::of(&unix, &config("localhost"), &place(None), false).await.unwrap();
        assert_eq!(near, Reach { bind: LOOPBACK, address: LOOPBACK });
        let far = Reach::of(&unix, &config("192.0.2.7"), &place(None), false).await.unwrap();
        assert_eq!(far, Reach { bind: EVERYWHERE, address: IpAddr::from([192, 0, 2, 7]) });
        let tcp = Endpoint::Tcp { host: "127.0.0.1".into(), port: 2375 };
        let tcp = Reach::of(&tcp, &Config::default(), &place(None), false).await.unwrap();
        assert_eq!(tcp.bind, LOOPBACK);
        // An address in the user's settings is not known to be the machine's.
        let gateway = IpAddr::from([192, 0, 2, 7]);
        let own = OwnContainer { gateways: vec![gateway], ..OwnContainer::default() };
        let far = Reach::of(&unix, &config("192.0.2.7"), &place(Some(own)), false).await.unwrap();
        assert_eq!(far, Reach { bind: EVERYWHERE, address: gateway });
    }
}

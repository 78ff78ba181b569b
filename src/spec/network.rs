//! [`NetworkSpec`] for a new network; [`Attachment`] and [`NetworkMode`] for a container's
//! endpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::label::validate_user_labels;
use super::{as_text, check};
use crate::error::{Error, Result};

/// A network to create (Engine API v1.41, NetworkCreate).
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSpec {
    /// The name; by default castoff makes a unique one.
    pub name: Option<String>,
    /// The driver; by default the engine's, `bridge`.
    pub driver: Option<String>,
    /// Whether its containers are cut off from the outside; `false` by default.
    pub internal: bool,
    /// Whether its containers get IPv6 addresses; `false` by default.
    pub ipv6: bool,
    /// Whether containers that are not part of a swarm service may join; `false` by default.
    pub attachable: bool,
    /// The address ranges; empty, the default, lets the engine choose one.
    pub subnets: Vec<Subnet>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides castoff's own.
    pub labels: BTreeMap<String, String>,
}

/// A range of addresses of a network (Engine API v1.41, `IPAM.Config`).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// The range in CIDR notation, such as `10.7.0.0/24`.
    pub cidr: String,
    /// The gateway's address; by default the first one of the range.
    pub gateway: Option<IpAddr>,
}

impl NetworkSpec {
    /// Creates a spec with the engine's defaults and a unique name.
    #[must_use]
    pub fn new() -> NetworkSpec {
        NetworkSpec::default()
    }

    /// Checks everything that needs no engine.
    ///
    /// # Errors
    ///
    /// Names the field and the value: a blank name or one that the engine reserves, a malformed
    /// subnet, a gateway outside it, a label of castoff's own.
    pub fn validate(&self) -> Result<()> {
        check::refuse_nul(self)?;
        if let Some(name) = &self.name {
            if name.trim().is_empty() || name.contains('/') {
                return Err(Error::invalid("name", format!("{name:?} does not name a network")));
            }
            if ["bridge", "host", "none", "default"].contains(&name.as_str()) {
                return Err(Error::invalid(
                    "name",
                    format!("{name:?} is the engine's own network"),
                ));
            }
        }
        if self.driver.as_ref().is_some_and(|driver| driver.trim().is_empty()) {
            return Err(Error::invalid("driver", "\"\" does not name a driver"));
        }
        self.subnets.iter().try_for_each(Subnet::validate)?;
        validate_user_labels(&self.labels)
    }
}

impl Subnet {
    /// Creates a range from CIDR notation such as `10.7.0.0/24`, which [`Subnet::validate`] checks.
    #[must_use]
    pub fn new(cidr: impl Into<String>) -> Subnet {
        Subnet { cidr: cidr.into(), gateway: None }
    }

    /// Sets the gateway's address.
    #[must_use]
    pub fn with_gateway(mut self, gateway: IpAddr) -> Subnet {
        self.gateway = Some(gateway);
        self
    }

    /// Checks the notation, and that the gateway is in the range.
    ///
    /// # Errors
    ///
    /// Names the field `subnets` and the value, with the likely meaning if host bits are set.
    pub fn validate(&self) -> Result<()> {
        let cidr = &self.cidr;
        let fail = |problem: String| Err(Error::invalid("subnets", format!("{cidr:?} {problem}")));
        let Some((ip, length)) = split_cidr(cidr) else {
            return fail("is not a range such as 10.7.0.0/24".to_owned());
        };
        let first = first_address(ip, length);
        if first != ip {
            return fail(format!("has host bits set: did you mean {first}/{length}?"));
        }
        match self.gateway {
            Some(gateway)
                if gateway.is_ipv4() != ip.is_ipv4() || first_address(gateway, length) != ip =>
            {
                fail(format!("does not contain its gateway {gateway}"))
            }
            _ => Ok(()),
        }
    }
}

fn split_cidr(cidr: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = cidr.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    (length <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, length))
}

/// Returns the range's first address: all bits after the prefix cleared.
fn first_address(ip: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

/// A container's endpoint in a network (Engine API v1.41, `NetworkingConfig.EndpointsConfig`).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The network's name or id.
    pub network: String,
    /// Names by which the network's other containers reach this one.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// A fixed address, for networks with a subnet set by the user; `None` by default.
    pub ip: Option<IpAddr>,
}

impl Attachment {
    /// Creates an endpoint in a network, by the network's name or id.
    #[must_use]
    pub fn new(network: impl Into<String>) -> Attachment {
        Attachment { network: network.into(), aliases: Vec::new(), ip: None }
    }

    /// Adds names by which the network's other containers reach this one.
    #[must_use]
    pub fn with_aliases<I>(mut self, aliases: I) -> Attachment
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.aliases.extend(aliases.into_iter().map(Into::into));
        self
    }

    /// Sets a fixed address, which must be in a subnet that the network's creator has set.
    #[must_use]
    pub fn with_ip(mut self, ip: IpAddr) -> Attachment {
        self.ip = Some(ip);
        self
    }

    /// Checks everything that needs no engine.
    ///
    /// # Errors
    ///
    /// Names the field `networks` and the value: a blank network, one that is a mode
    /// ([`NetworkMode`]), an alias that is not a host name.
    pub fn validate(&self) -> Result<()> {
        let network = &self.network;
        let fail = |problem: String| Err(Error::invalid("networks", problem));
        if network.trim().is_empty() {
            return fail(format!("{network:?} does not name a network"));
        }
        if ["host", "none"].contains(&network.as_str()) {
            return fail(format!("{network:?} is a network mode, not a network to join"));
        }
        match self.aliases.iter().find(|alias| !is_alias(alias)) {
            Some(alias) => fail(format!("alias {alias:?} in {network:?} is not a host name")),
            None => Ok(()),
        }
    }
}

/// Returns whether a text is a host name, with underscores allowed, which engines resolve too.
fn is_alias(text: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len()) && !label.starts_with('-') && label.bytes().all(byte)
        })
}

/// A network stack other than the container's own (Engine API v1.41, `HostConfig.NetworkMode`).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkMode {
    /// The network stack of the engine's host.
    Host,
    /// No network but the loopback interface.
    None,
    /// The network stack of another container, by its name or id.
    Container(String),
}

/// Writes the engine's form: `host`, `none` or `container:<name or id>`.
impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkMode::Host => f.write_str("host"),
            NetworkMode::None => f.write_str("none"),
            NetworkMode::Container(container) => write!(f, "container:{container}"),
        }
    }
}

/// Reads the engine's form.
impl FromStr for NetworkMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<NetworkMode> {
        match (text, text.strip_prefix("container:")) {
            ("host", _) => Ok(NetworkMode::Host),
            ("none", _) => Ok(NetworkMode::None),
            (_, Some(container)) if !container.is_empty() => {
                Ok(NetworkMode::Container(container.to_owned()))
            }
            _ => {
                let problem = format!("{text:?} is none of host, none, container:NAME");
                Err(Error::invalid("network mode", problem))
            }
        }
    }
}

as_text!(NetworkMode);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(spec: NetworkSpec) -> String {
        spec.validate().unwrap_err().to_string()
    }

    #[test]
    fn subnets() {
        for good in ["10.7.0.0/24", "0.0.0.0/0", "10.0.0.1/32", "fd00::/8", "::/0", "::1/128"] {
            Subnet::new(good).validate().unwrap();
        }
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "::/129", "x/8", "/"]
        {
            let error = Subnet::new(bad).validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid subnets: {bad:?}")), "{error}");
        }
        let error = Subnet::new("10.7.3.9/16").validate().unwrap_err().to_string();
        assert!(error.ends_with("did you mean 10.7.0.0/16?"), "{error}");
    }

    #[test]
    fn gateways_lie_in_their_subnet() {
        let with = |ip: &str| Subnet::new("10.7.0.0/24").with_gateway(ip.parse().unwrap());
        with("10.7.0.1").validate().unwrap();
        assert!(with("10.8.0.1").validate().is_err() && with("fd00::1").validate().is_err());
    }

    #[test]
    fn networks_name_their_field() {
        NetworkSpec::new().validate().unwrap();
        let named = |name: &str| NetworkSpec { name: Some(name.into()), ..NetworkSpec::new() };
        named("my net_1").validate().unwrap();
        for name in ["", " ", "bridge", "host", "a/b", "a\0"] {
            assert!(problem(named(name)).starts_with(&format!("invalid name: {name:?}")));
        }
        let labels = BTreeMap::from([("castoff.x".into(), String::new())]);
        assert!(problem(NetworkSpec { labels, ..NetworkSpec::new() }).contains("castoff.x"));
    }

    #[test]
    fn attachments() {
        Attachment::new("net").with_aliases(["db", "my_db.local"]).validate().unwrap();
        let long = "a".repeat(64);
        for alias in ["", "a b", "-a", "a..b", "a/b", "é", &long] {
            let error = Attachment::new("net").with_aliases([alias]).validate().unwrap_err();
            assert!(error.to_string().contains(&format!("{alias:?}")), "{error}");
        }
        for network in ["", "host", "none"] {
            assert!(Attachment::new(network).validate().is_err());
        }
    }

    #[test]
    fn modes() {
        assert_eq!(NetworkMode::Host.to_string(), "host");
        assert_eq!(NetworkMode::None.to_string(), "none");
        assert_eq!(NetworkMode::Container("x".into()).to_string(), "container:x");
    }

    proptest! {
        #[test]
        fn cidr_never_panics(text in "\\PC*|[0-9a-f.:/]{0,24}") {
            let _ = Subnet::new(text).validate();
        }
    }
}

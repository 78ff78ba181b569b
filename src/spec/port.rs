//! [`Port`] of a container, and the [`HostBinding`] that publishes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::as_text;
use crate::error::{Error, Result};

/// The transport of a [`Port`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, if the engine's host supports it.
    Sctp,
}

impl Protocol {
    /// Returns the engine's name: `tcp`, `udp` or `sctp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Parses `tcp`, `udp` or `sctp`, in any case.
impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| refused(text, "the protocol must be tcp, udp or sctp"))
    }
}

/// A port inside a container, 1 to 65535, with its protocol: `6379/tcp`.
///
/// ```
/// use castoff::spec::Port;
///
/// assert_eq!(Port::tcp(6379)?, "6379".parse()?);
/// assert_eq!(Port::udp(53)?.to_string(), "53/udp");
/// # Ok::<(), castoff::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    number: u16,
    protocol: Protocol,
}

impl Port {
    /// Creates a TCP port.
    ///
    /// # Errors
    ///
    /// Refuses 0.
    pub fn tcp(number: u16) -> Result<Port> {
        Port::new(number, Protocol::Tcp)
    }

    /// Creates a UDP port.
    ///
    /// # Errors
    ///
    /// Refuses 0.
    pub fn udp(number: u16) -> Result<Port> {
        Port::new(number, Protocol::Udp)
    }

    /// Creates a port of any protocol.
    ///
    /// # Errors
    ///
    /// Refuses 0.
    pub fn new(number: u16, protocol: Protocol) -> Result<Port> {
        if number == 0 {
            return Err(refused("0", "a container's port is 1 to 65535"));
        }
        Ok(Port { number, protocol })
    }

    /// Returns the number, 1 to 65535.
    #[must_use]
    pub fn number(self) -> u16 {
        self.number
    }

    /// Returns the protocol.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        self.protocol
    }
}

/// Writes the engine's form, `80/tcp`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// Parses `80` (TCP) or `80/udp`.
impl FromStr for Port {
    type Err = Error;

    fn from_str(text: &str) -> Result<Port> {
        let (number, protocol) = match text.split_once('/') {
            Some((number, protocol)) => (number, protocol.parse()?),
            None => (text, Protocol::Tcp),
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number: u16 =
            number.parse().ok().filter(|number| digits && *number != 0).ok_or_else(|| {
                refused(text, "expected 1 to 65535, with an optional /tcp or /udp")
            })?;
        Port::new(number, protocol)
    }
}

as_text!(Port, Protocol);

fn refused(text: &str, problem: &str) -> Error {
    Error::invalid("port", format!("{text:?}: {problem}"))
}

mod sealed {
    pub trait Sealed {}
}

/// A value that names a container's port: `6379` (TCP), `"53/udp"`, or a [`Port`].
///
/// `u16` is the only integer among them, so that a literal needs no suffix.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a port",
    label = "expected a `u16`, text such as \"53/udp\", or a `Port`",
    note = "other integers convert with `u16::try_from`"
)]
pub trait IntoPort: sealed::Sealed {
    /// Converts it into a port.
    ///
    /// # Errors
    ///
    /// Names the field `port` and the value if it is 0 or not a port.
    fn into_port(self) -> Result<Port>;
}

impl sealed::Sealed for u16 {}
impl IntoPort for u16 {
    fn into_port(self) -> Result<Port> {
        Port::tcp(self)
    }
}

impl sealed::Sealed for &str {}
impl IntoPort for &str {
    fn into_port(self) -> Result<Port> {
        self.parse()
    }
}

impl sealed::Sealed for String {}
impl IntoPort for String {
    fn into_port(self) -> Result<Port> {
        self.parse()
    }
}

impl sealed::Sealed for Port {}
impl IntoPort for Port {
    fn into_port(self) -> Result<Port> {
        Ok(self)
    }
}

impl sealed::Sealed for &Port {}
impl IntoPort for &Port {
    fn into_port(self) -> Result<Port> {
        Ok(*self)
    }
}

/// The address and port on the engine's host that publish a container's port (Engine API v1.41,
/// ContainerCreate, `HostConfig.PortBindings`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostBinding {
    /// The host address to listen on; 127.0.0.1 by default, so that nothing leaves the machine.
    pub ip: IpAddr,
    /// The host port; `None`, the default, lets the engine choose a free one.
    pub port: Option<u16>,
}

impl HostBinding {
    /// Binds to any free port of the loopback address.
    #[must_use]
    pub fn free() -> HostBinding {
        HostBinding { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: None }
    }

    /// Binds to a given port of the loopback address; the start fails if it is taken.
    #[must_use]
    pub fn fixed(port: u16) -> HostBinding {
        HostBinding { port: Some(port), ..HostBinding::free() }
    }

    /// Sets another host address; `0.0.0.0` stands for every IPv4 address of the host.
    #[must_use]
    pub fn with_ip(mut self, ip: IpAddr) -> HostBinding {
        self.ip = ip;
        self
    }
}

impl Default for HostBinding {
    fn default() -> HostBinding {
        HostBinding::free()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_port(port: impl IntoPort) -> Result<String> {
        port.into_port().map(|port| port.to_string())
    }

    #[test]
    fn everything_that_names_a_port() {
        assert_eq!(with_port(6379).unwrap(), "6379/tcp");
        assert_eq!(with_port("53/UDP").unwrap(), "53/udp");
        assert_eq!(with_port(String::from("80")).unwrap(), "80/tcp");
        let port = Port::new(9, Protocol::Sctp).unwrap();
        assert_eq!(with_port(port).unwrap(), "9/sctp");
        let borrowed: &Port = &port;
        assert_eq!(with_port(borrowed).unwrap(), "9/sctp");
    }

    #[test]
    fn refuses_and_names_the_field() {
        for text in ["", "0", "65536", "+80", "-1", "80/", "80/icmp", "/tcp", "80/tcp/x", "http"] {
            let error = with_port(text).expect_err(text).to_string();
            assert!(error.starts_with("invalid port: "), "{error}");
        }
        assert!(with_port(0).is_err() && Port::udp(0).is_err());
    }

    #[test]
    fn bindings_stay_on_loopback_unless_told() {
        assert_eq!(HostBinding::default(), HostBinding::free());
        let fixed = HostBinding::fixed(80);
        assert_eq!((fixed.ip.is_loopback(), fixed.port), (true, Some(80)));
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        assert_eq!(fixed.with_ip(any).ip, any);
    }

    proptest! {
        #[test]
        fn display_parses_back(number in 1u16.., udp: bool) {
            let port = if udp { Port::udp(number) } else { Port::tcp(number) }.unwrap();
            prop_assert_eq!(port.to_string().parse::<Port>().unwrap(), port);
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Port>();
        }
    }
}

//! The address at which the child reaches the engine.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

/// Limit for connecting over TCP; on the same machine it takes no time.
const CONNECT_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The address of an engine that a plain socket reaches.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    place: Place,
    podman: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Unix(SocketAddrUnix),
    Tcp(SocketAddr),
}

impl Address {
    fn new(place: Place) -> Address {
        Address { place, podman: false }
    }

    /// Returns the address of an engine on plain TCP.
    pub(crate) fn tcp(address: SocketAddr) -> Address {
        Address::new(Place::Tcp(address))
    }

    /// Sets whether the engine is Podman, which removes in another way.
    pub(crate) fn of_podman(mut self, podman: bool) -> Address {
        self.podman = podman;
        self
    }

    pub(super) fn is_podmans(&self) -> bool {
        self.podman
    }

    /// Returns the address of a unix socket, made absolute since the child leaves the working
    /// directory.
    pub(crate) fn unix(socket: &Path) -> io::Result<Address> {
        let place = SocketAddrUnix::new(std::path::absolute(socket)?).map(Place::Unix);
        place.map(Address::new).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} can't be a socket's address: {error}", socket.display()),
            )
        })
    }

    /// Opens a connection that doesn't block once it is established; `None` if that fails.
    pub(super) fn connect(&self) -> Option<OwnedFd> {
        let family = match &self.place {
            Place::Unix(_) => AddressFamily::UNIX,
            Place::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Place::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
        };
        let socket = rustix::net::socket(family, SocketType::STREAM, None).ok()?;
        match &self.place {
            Place::Unix(address) => {
                // A socket whose backlog is full refuses at once.
                rustix::io::ioctl_fionbio(&socket, true).ok()?;
                rustix::net::connect(&socket, address).ok()?;
            }
            Place::Tcp(address) => {
                set_socket_timeout(&socket, Timeout::Send, Some(CONNECT_LIMIT)).ok()?;
                rustix::net::connect(&socket, address).ok()?;
                rustix::io::ioctl_fionbio(&socket, true).ok()?;
            }
        }
        Some(socket)
    }
}

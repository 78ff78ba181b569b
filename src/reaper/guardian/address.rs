//! Where the engine listens, as the child dials it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

/// How long a connection may take; on one machine it is there at once.
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

    /// That of an engine on plain TCP.
    pub(crate) fn tcp(address: SocketAddr) -> Address {
        Address::new(Place::Tcp(address))
    }

    /// Says that Podman listens there, which removes in another way.
    pub(crate) fn of_podman(mut self, podman: bool) -> Address {
        self.podman = podman;
        self
    }

    pub(super) fn is_podmans(&self) -> bool {
        self.podman
    }

    /// A unix socket's. The child leaves the working directory, so it is made absolute.
    pub(crate) fn unix(socket: &Path) -> io::Result<Address> {
        let place = SocketAddrUnix::new(std::path::absolute(socket)?).map(Place::Unix);
        place.map(Address::new).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} can't be a socket's address: {error}", socket.display()),
            )
        })
    }

    /// A connection that doesn't block from here on.
    pub(super) fn connect(&self) -> Option<OwnedFd> {
        let family = match &self.place {
            Place::Unix(_) => AddressFamily::UNIX,
            Place::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Place::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
        };
        let socket = rustix::net::socket(family, SocketType::STREAM, None).ok()?;
        match &self.place {
            Place::Unix(address) => {
                // One whose backlog is full refuses at once.
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

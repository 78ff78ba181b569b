//! A client for image registries (OCI Distribution Specification v1.1).
//!
//! [`Registry`] is one registry with the login for it. It reads an image's manifest, platforms and
//! configuration, lists and deletes tags, and combines manifests into an image index for several
//! platforms. It transfers no layers: engines pull and push them.
//!
//! ```no_run
//! use castoff::registry::Registry;
//!
//! # async fn run() -> castoff::Result<()> {
//! let registry = Registry::new("ghcr.io").with_login("ann", "sesame");
//! let image = registry.inspect("acme/api:1.2").await?;
//! println!("{image}");
//! for entry in &image.platforms {
//!     println!("{} is {}", entry.platform, entry.digest);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Transport
//!
//! HTTPS, with the system's certificates and those that are [added](Registry::with_certificate).
//! Plain HTTP is used for `localhost` and loopback addresses only, unless
//! [allowed](Registry::with_insecure_http) for others; a redirect to plain HTTP on another machine
//! is not followed either.
//!
//! # Proxies
//!
//! The environment names them: `HTTPS_PROXY`, `HTTP_PROXY` for plain HTTP and `ALL_PROXY` for both,
//! with the exceptions in `NO_PROXY`; also in lower case. A proxy has the form
//! `http://user:password@host:port`, or begins with `https://` or `socks5://`. It gets HTTPS
//! traffic in encrypted form only. `localhost` and loopback addresses are reached without one.
//!
//! # Logins
//!
//! A login is sent when the registry asks for it, by HTTP Basic or for a bearer token from the
//! token server that the registry names. A password or token is sent to these two alone, and never
//! over plain HTTP to another machine unless that was allowed.
//!
//! # Limits
//!
//! A request fails after 30 s without progress, and after 120 s in all. Manifests and
//! configurations may have 4 MiB, the size that registries should accept ("Pushing Manifests").
//! Content is checked against its digest, if that is known. Five redirects are followed, without
//! the login if they lead to another host.

mod authorize;
mod call;
mod challenge;
mod client;
mod digest;
mod image;
mod index;
mod link;
mod manifest;
mod name;
#[cfg(test)]
mod proxy_tests;
mod tags;
#[cfg(test)]
mod tests;
mod transport;
mod url;

pub use client::Registry;
pub use image::{RemoteConfig, RemoteImage, RemoteLayer, RemotePlatform};

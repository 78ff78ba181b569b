//! Image registries, asked directly: a client of the OCI Distribution Specification v1.1.
//!
//! [`Registry`] is one registry with the login for it. It reads what an image is and for which
//! platforms there is one, lists and deletes tags, and puts manifests together to an image index
//! for several platforms. It moves no layers: an engine pulls and pushes them.
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
//! # Which transport
//!
//! HTTPS with the system's certificates and those that are [added](Registry::with_certificate). Plain
//! HTTP only for `localhost` and loopback addresses, unless [told](Registry::with_insecure_http)
//! otherwise; a redirect to plain HTTP on another machine is not followed either.
//!
//! # Proxies
//!
//! Those that the environment names: `HTTPS_PROXY`, `HTTP_PROXY` for plain HTTP, `ALL_PROXY` for
//! both, but for the hosts in `NO_PROXY`; also in lower case. A proxy has the form
//! `http://user:password@host:port`, or begins with `https://` or `socks5://`. It sees what is sent
//! by HTTPS only encrypted. `localhost` and loopback addresses are asked without one.
//!
//! # Logins
//!
//! Where the registry asks for it, by HTTP Basic or by a bearer token from the token server that the
//! registry names. A password or token is sent to these two alone, and never over plain HTTP to
//! another machine unless that was allowed.
//!
//! # Limits
//!
//! A request fails after 30 s without progress, and after 120 s in all. Manifests and configurations may have 4 MiB, which
//! is what the specification asks of registries ("Pushing Manifests"). What has a digest is checked
//! against it. Five redirects are followed, without the login where they lead to another host.

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

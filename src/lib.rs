//! Real containers for Rust tests and programs, cast off without a trace the moment you let go.
//!
//! castoff drives a container engine (Docker, or Podman's Docker-compatible service) through its
//! API: it starts containers, waits until they are ready, wires them into networks of their own,
//! and removes everything when it is dropped, or when the program ends in any other way.
//!
//! ```no_run
//! use castoff::{Container, Network, WaitFor};
//!
//! # async fn run() -> castoff::Result<()> {
//! let net = Network::create().await?;
//! let cache = Container::builder("redis:7")
//!     .with_port(6379)
//!     .with_tmpfs("/data")
//!     .with_network(&net, ["cache"])
//!     .with_wait(WaitFor::log("Ready to accept connections"))
//!     .start()
//!     .await?;
//!
//! let addr: std::net::SocketAddr = cache.addr(6379)?;
//! let pong = cache.exec(["redis-cli", "ping"]).await?;
//! # drop((addr, pong));
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! * [`guide`]: a page for each thing that you may want to do, from waiting to migration.
//! * [`Container`] and [`ContainerBuilder`]: a running container, and its description.
//! * [`WaitFor`] and [`wait`]: conditions for a container to be ready.
//! * [`Network`], [`Volume`], [`Image`]: handles of the same kind, each removed when it is dropped.
//! * [`ImageBuilder`] and [`mod@image`]: images from Dockerfiles, and reports of their builds.
//! * [`dockerfile`]: Dockerfiles as values, rendered and parsed.
//! * [`registry`] (feature `registry`): direct requests to image registries.
//! * [`Module`]: the typed description of a service, with a typed handle to one that runs.
//!   Ready-made ones are in the crate [`castoff-modules`](https://docs.rs/castoff-modules).
//! * [`Engine`]: the container engine, found by the settings, and the resources on it.
//! * [`Error`]: a kind to match on, and a full account in `Debug`.
//! * [`config`]: the settings, from environment variables and properties files.
//! * [`spec`]: the plain values behind the builders.
//!
//! # Removal
//!
//! Every resource has an owner before it exists: it is created under a name and with labels that
//! were chosen beforehand, by a guard that is armed before the call is sent. Creation runs to its
//! end on a thread of castoff's own, so a dropped future can't cut it in half.
//!
//! `Drop` hands the removal to that thread and returns. It needs no runtime and never panics, and
//! removals run in parallel: containers first, then the networks and volumes that they used. A
//! guardian, a tiny process forked at the first resource, removes the rest when the program ends by
//! `return` with statics alive, [`std::process::exit`], a panic, an abort or a signal, `SIGKILL`
//! included. Without a guardian (`CASTOFF_REAPER=off`) a drop waits for its removal, at most 10 s.
//! If a guardian was killed as well, a [`sweep`] removes the resources of its session before the
//! next session's first container.
//!
//! [`ContainerBuilder::shared`] gives the same container to all threads and processes that describe
//! the same one, and removes it when its last user is gone.
//!
//! A forked child owns nothing of what its parent owns; see
//! [Nothing left behind](guide::nothing_left_behind), which also lists all ways to end a program.
//!
//! `remove().await` is a drop that reports errors, and `keep()` gives a resource up without
//! removing it. [`config::KeepPolicy`] keeps everything, always or when something failed.
//!
//! # Runtimes
//!
//! Futures run on tokio, on any flavor of runtime, and a handle may be used from another runtime
//! than the one that created it. Dropping a future is safe everywhere; the docs of each say what it
//! leaves behind.
//!
#![cfg_attr(feature = "registry", doc = "[`registry`]: crate::registry")]
#![cfg_attr(
    not(feature = "registry"),
    doc = "[`registry`]: https://docs.rs/castoff/latest/castoff/registry"
)]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// These macros panic when stderr or stdout is closed; `stderr::say` does not.
#![deny(clippy::print_stderr, clippy::print_stdout, clippy::dbg_macro)]

pub mod config;
mod connection;
pub mod container;
pub mod dockerfile;
pub mod engine;
pub mod error;
mod exactly;
mod forks;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod image;
mod module;
mod network;
mod random;
mod reaper;
#[cfg(feature = "registry")]
pub mod registry;
pub mod spec;
mod stderr;
mod tar_stream;
mod timed;
mod untar;
mod volume;
pub mod wait;

pub use connection::{Engine, sweep};
pub use container::{Container, ContainerBuilder, ContainerLock, CopySource, IntoAliases};
pub use error::{Error, ErrorKind, Result};
pub use image::{Image, ImageBuilder};
pub use module::Module;
pub use network::{Network, NetworkBuilder};
pub use reaper::{Reaper, SweepReport};
pub use volume::{Volume, VolumeBuilder};
pub use wait::WaitFor;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

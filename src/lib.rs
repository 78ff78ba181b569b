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
//! # Where to look
//!
//! * [`guide`]: a page for each thing that you may want to do, from waiting to migration.
//! * [`Container`] and [`ContainerBuilder`]: what a container is to be, and one that runs.
//! * [`WaitFor`] and [`wait`]: when it is ready.
//! * [`Network`], [`Volume`], [`Image`]: handles of the same kind, each removed when it is dropped.
//! * [`ImageBuilder`] and [`mod@image`]: images from Dockerfiles, and what the build did.
//! * [`dockerfile`]: Dockerfiles as values, written and read.
//! * [`registry`] (feature `registry`): image registries, asked directly.
//! * [`Module`]: a service described by its own type, with a typed handle. Ready-made ones are in the crate
//!   [`castoff-modules`](https://docs.rs/castoff-modules).
//! * [`Engine`]: the engine that is used, found by the settings, and what else it holds.
//! * [`Error`]: a kind to match on, and in `Debug` the whole story.
//! * [`config`]: the environment variables that are read.
//! * [`spec`]: the plain values behind the builders.
//!
//! # Letting go
//!
//! Every resource has an owner before it exists: it is created under a name and with labels that
//! were chosen beforehand, by a guard that is armed before the call is sent. Creation runs to its
//! end on a thread of castoff's own, so a dropped future can't cut it in half.
//!
//! `Drop` hands the removal to that thread and returns. It needs no runtime and never panics, and
//! removals run side by side: containers first, then the networks and volumes that they used.
//! Behind it stands a guardian, a tiny process forked at the first resource, that removes what is
//! left when the program ends by `return` with statics alive, [`std::process::exit`], a panic, an
//! abort or a signal, `SIGKILL` included. Without it (`CASTOFF_REAPER=off`) a drop waits for its
//! removal, at most 10 s. Behind both stands a [`sweep`]: what a session left whose guardian was
//! killed as well goes before the next session's first container.
//!
//! [`ContainerBuilder::shared`] gives the same container to all threads and processes that ask
//! for the same, and removes it when the last of them is gone.
//!
//! A forked child has none of what its parent owns; see
//! [Nothing left behind](guide::nothing_left_behind), which also has the table of all ways to end.
//!
//! `remove().await` is the same as a drop with errors reported, and `keep()` lets go without
//! removing. [`config::KeepPolicy`] does so for everything, always or when something failed.
//!
//! # Runtimes
//!
//! Futures run on tokio, on any flavor of runtime, and handles may be used from another runtime
//! than the one that made them. Dropping a future is safe everywhere; each says what it leaves.
//!
#![cfg_attr(feature = "registry", doc = "[`registry`]: crate::registry")]
#![cfg_attr(
    not(feature = "registry"),
    doc = "[`registry`]: https://docs.rs/castoff/latest/castoff/registry"
)]
// docs.rs says which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// They panic when nobody reads any more; `stderr::say` does not.
#![deny(clippy::print_stderr, clippy::print_stdout, clippy::dbg_macro)]

pub mod config;
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

pub use container::{Container, ContainerBuilder, ContainerLock, CopySource, IntoAliases};
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result};
pub use image::{Image, ImageBuilder};
pub use module::Module;
pub use network::{Network, NetworkBuilder};
pub use reaper::{Reaper, Swept, sweep};
pub use volume::{Volume, VolumeBuilder};
pub use wait::WaitFor;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

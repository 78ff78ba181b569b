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
//! * [`Container`] and [`ContainerBuilder`]: what a container is to be, and one that runs.
//! * [`WaitFor`] and [`wait`]: when it is ready.
//! * [`Network`], [`Volume`], [`Image`]: the same make, removed when dropped.
//! * [`ImageBuilder`] and [`mod@image`]: images from Dockerfiles, and what the build did.
//! * [`dockerfile`]: Dockerfiles as values, written and read.
//! * `registry` (feature `registry`): image registries, asked directly.
//! * [`Module`]: a service as a typed recipe, with a typed handle. Ready-made ones are in the crate
//!   `castoff-modules`.
//! * [`Engine`]: which engine is used, and what else it has. Found by itself unless told.
//! * [`Error`]: a kind to match on, and in `Debug` the whole story.
//! * [`config`]: the environment variables that are looked at.
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
//! `remove().await` is the same as a drop with errors reported, and `keep()` lets go without
//! removing. [`config::Keep`] does so for everything, always or when something failed.
//!
//! # Forks
//!
//! A child that is forked without `exec` gets nothing of its parent's guardian and locks: what the
//! parent has goes when the parent ends. A child that uses castoff has a session of its own, and needs
//! a runtime of its own. Handles that it inherited do nothing there: dropping and keeping them has no
//! effect, and calls fail with [`ErrorKind::Conflict`]: what the child is to use, it gets the address of
//! before the fork.
//!
//! This goes by the handlers of the C library's `fork` (`pthread_atfork`). A child made by the bare
//! system call `clone`, or by `vfork`, must not use castoff before `exec`; until then or its end, the
//! former also keeps its parent's guardian waiting. A program that closes descriptors that it does not
//! know after its first resource, as daemons do when they start, has everything removed at once.
//!
//! # Runtimes
//!
//! Futures run on tokio, on any flavour of runtime, and handles may be used from another runtime
//! than the one that made them. Dropping a future is safe everywhere; each says what it leaves.

// They panic when nobody reads any more; `stderr::say` does not.
#![deny(clippy::print_stderr, clippy::print_stdout, clippy::dbg_macro)]

pub mod config;
pub mod container;
pub mod dockerfile;
pub mod engine;
pub mod error;
mod exactly;
mod forks;
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
#[cfg(all(doctest, feature = "registry"))]
#[doc = include_str!("../README.md")]
struct Readme;

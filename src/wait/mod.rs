//! Layer 4: conditions for a container to be ready.
//!
//! [`WaitFor`] has the constructors. Several waits of one container run at the same time, and each
//! is raced with the container's end, so that no wait outlives its container. A custom wait is a
//! type that implements [`WaitStrategy`], or a closure in [`WaitFor::probe`].
//!
//! Without a wait, a container is ready when its health check passes, if it or its image has one;
//! else when every published TCP port accepts and keeps a connection; else when it runs.

mod backoff;
mod combined;
mod exec;
mod exit;
mod file;
mod health;
mod http;
mod log;
mod matcher;
mod pause;
mod port;
mod probe;
mod race;
mod strategy;
mod target;
#[cfg(feature = "https")]
mod tls;
mod wait_for;

pub use exec::ExecWait;
pub use exit::ExitWait;
pub use file::FileWait;
pub use health::HealthWait;
pub use http::HttpWait;
pub use log::LogWait;
pub use pause::PauseWait;
pub use port::PortWait;
pub use probe::ProbeWait;
pub use strategy::{WaitFuture, WaitStrategy};
pub use target::WaitTarget;
pub use wait_for::WaitFor;

pub(crate) use race::{diagnose, until_ready};

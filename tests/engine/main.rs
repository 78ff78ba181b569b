//! The engine tier: tests against a real engine, with results read from inside the containers.
//!
//! One binary, so that it is linked once. Every test is `#[ignore]`d, as it needs an engine with
//! the test images; `cargo xtask test` runs them. `CASTOFF_ENGINE` selects the engine, and
//! `differences` lists the differences between Docker and Podman.

// Helpers are test code as well: a panic there is the report.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "buildkit")]
mod build;
#[cfg(feature = "buildkit")]
mod build_cache;
#[cfg(feature = "buildkit")]
mod build_ends;
mod children;
mod copy;
mod copy_out;
mod differences;
mod dockerfiles;
mod drop;
mod ends;
mod exec;
mod foreign;
mod forks;
mod guardian;
mod in_a_container;
mod in_memory;
mod keep;
mod lifecycle;
mod logs;
mod network;
mod options;
mod ports;
mod raw;
#[cfg(all(feature = "buildkit", feature = "registry"))]
mod registry;
mod restart;
#[cfg(feature = "buildkit")]
mod services;
mod shared;
mod state;
mod support;
mod sweep;
mod volume;
mod wait;

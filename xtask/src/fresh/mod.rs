//! `cargo xtask fresh`: the README's two commands on a machine with nothing but Rust, which is made
//! for them and removed after them.
//!
//! The machine is a folder with the host's distribution, made by debootstrap, in which `unshare`
//! gives processes mounts, process ids, a network and control groups of their own. The engine, the
//! packages, the crates and the images that the two commands need must be downloaded like on any
//! other machine: only the toolchain (read-only) and the settings for mirrors are the host's.

mod cgroups;
mod machine;
mod plan;
mod root;

pub(crate) use plan::fresh;

//! `cargo xtask fresh`: the README's two commands on a machine that has nothing but Rust, which is made
//! for it and removed after it.
//!
//! The machine is a folder with the distribution that the host runs, made by debootstrap, in which
//! `unshare` gives processes mounts, process ids, a network and control groups of their own. The
//! engine, the packages, the crates and the images that the two commands need have to come as they
//! do for everybody: only the toolchain is the host's, read-only, and the host's way to mirrors.

mod cgroups;
mod machine;
mod plan;
mod root;

pub(crate) use plan::fresh;

//! Build contexts: the files that a build may copy from.

#[expect(clippy::module_inception, reason = "the noun that the folder is about")]
mod context;
mod digest;
mod dockerignore;
mod go_regex;
mod hidden;
mod pack;
mod pax;
mod spool;
mod walk;

pub use context::BuildContext;

pub(super) use context::Prepared;
pub(super) use digest::digest;
pub(super) use pack::pack;

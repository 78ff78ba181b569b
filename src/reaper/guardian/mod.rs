//! The guardian: a tiny child process that outlives its parent and removes what it left behind.
//!
//! A process arms it at its first resource. The child blocks on a stream whose other end only the
//! parent holds; when the parent is gone, for whatever reason, the kernel closes that end, and the
//! child deletes whatever carries the parent's label: containers first, then networks, volumes and
//! images. It also holds the parent's leases of shared resources for a while, and removes those
//! that nobody else has.
//!
//! Two forks make it nobody's child, and everything it inherited is closed before [`Guardian::arm`]
//! returns: nothing that waits for the parent's pipes, terminals, or children ever sees it.
//!
//! Between `fork` and `_exit` other threads' locks may be held forever, so [`child`] makes system
//! calls on memory mapped before the fork and nothing else: no allocation, no locks, no panics.
//! All `unsafe` code is in [`sys`].
//!
//! It gives up its copy of the parent's heap (`maps`), and takes a name and an empty environment of
//! its own (`name`), so that whoever ends processes by those of the parent does not take it as
//! well.
//!
//! What it does not survive: SIGKILL to itself, a control group that is killed as a whole (a
//! container's or a unit's end), and a PID namespace whose first process ends. The sweep at the
//! next session's start covers those.

mod address;
mod arm;
mod child;
mod http;
mod intermediate_images;
mod json;
mod lease;
#[cfg(target_os = "linux")]
mod maps;
mod message;
#[cfg(target_os = "linux")]
mod name;
mod ours;
mod outbox;
mod prints;
mod remove;
mod sys;
mod work;

pub(crate) use address::Address;
pub(crate) use arm::{Guardian, lives};
pub(crate) use lease::state;
pub(crate) use message::Message;
pub(crate) use sys::{at_exit, watch_forks};
pub(crate) use work::{MOST_KEPT, most_leases};

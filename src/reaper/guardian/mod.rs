//! The guardian: a tiny child process that outlives its parent and removes what it left behind.
//!
//! A process starts it before its first resource. The child blocks on a stream whose other end only
//! the parent holds; when the parent is gone, for whatever reason, the kernel closes that end, and
//! the child deletes whatever carries the parent's label: containers first, then networks, volumes
//! and images. It also holds the parent's leases of shared resources for a while, and removes the
//! resources that nobody else uses.
//!
//! Two forks detach it from its parent, and everything that it inherited, apart from that stream
//! and the session's lock, is closed before [`Guardian::arm`] returns: nothing that waits for the
//! parent's pipes, terminals or children ever notices it.
//!
//! Between `fork` and `_exit` other threads' locks may be held forever, so [`child`] makes system
//! calls on memory mapped before the fork and nothing else: no allocation, no locks, no panics.
//! All `unsafe` code is in [`sys`].
//!
//! It gives up its copy of the parent's heap (`maps`), and takes a name and an empty environment of
//! its own (`name`), so that a program that ends processes by the parent's name or environment
//! spares it.
//!
//! It does not survive SIGKILL to itself, the end of its whole control group (of a container or a
//! unit), or the end of the first process of its PID namespace. The sweep at the next session's
//! start covers those cases.

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

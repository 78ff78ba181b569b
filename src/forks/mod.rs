//! What a fork without `exec` must not pass on: the child has a copy of all memory and descriptors,
//! and none of the threads.
//!
//! * [`Process`]: which process this is, for values that are of use in theirs alone.
//! * [`PerProcess`]: a static that each process has for itself.
//! * [`UnsharedFd`], [`UnsharedStream`]: a descriptor, or a connection, that a child does not get.
//!
//! The handlers that run at a fork are registered in `reaper/guardian/sys.rs`. Everything here works
//! without a lock: another thread may hold one at the fork, for ever in the child.

mod opening;
mod per_process;
mod process;
#[cfg(unix)]
mod unshared_fd;
#[cfg(unix)]
mod unshared_stream;

pub(crate) use opening::{Opening, after_fork, before_fork};
pub(crate) use per_process::PerProcess;
pub(crate) use process::{Process, count_fork};
#[cfg(unix)]
pub(crate) use unshared_fd::{Listed, UnsharedFd, each_inherited, identity};
#[cfg(unix)]
pub(crate) use unshared_stream::UnsharedStream;

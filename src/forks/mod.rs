//! Protection against forks without `exec`: a child has a copy of all memory and descriptors, and
//! none of the threads.
//!
//! * [`Process`]: the identity of a process, for values that are valid in one process only.
//! * [`PerProcess`]: a static with a separate value in each process.
//! * [`UnsharedFd`], [`UnsharedStream`]: a descriptor, or a connection, that a child does not get.
//!
//! The handlers that run at a fork are registered in `reaper/guardian/sys.rs`. Everything here
//! works without a lock: another thread could hold it at the fork, and it would stay locked in the
//! child for ever.

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

//! Floor 2: ownership. Whatever castoff creates has an owner before it exists.
//!
//! * `session`: this process's name on the engine, as labels.
//! * [`Guard`]: RAII over one resource, armed before the create call is sent.
//! * [`Worker`]: the one teardown thread, with a runtime of its own. Creations run there too, so
//!   that a caller's dropped future can't cut one in half.
//! * `guardian`: a forked child that survives the process and removes what is left of it.
//!
//! The sweep of dead sessions and the leases of shared containers belong on this floor as well.

mod guard;
#[cfg(unix)]
mod guardian;
mod removal;
mod session;
mod watch_over;
mod worker;

pub(crate) use guard::Guard;
pub(crate) use removal::Kind;
pub(crate) use worker::Worker;

//! Floor 2: ownership. Whatever castoff creates has an owner before it exists.
//!
//! * `session`: this process's name on the engine, as labels.
//! * [`Guard`]: RAII over one resource, armed before the create call is sent.
//! * [`Worker`]: the one teardown thread, with a runtime of its own. Creations run there too, so
//!   that a caller's dropped future can't cut one in half.
//! * `watch_over`: what stands behind this process on each engine, one `watch` for each. That is
//!   `session_lock`, by which others know that it lives, and `guardian`, a forked child that
//!   survives the process and removes what is left of it; `vigil` replaces one that was killed.
//! * `pending`: a removal that goes on as long as the process lives.
//! * `sweep`: at a session's start, what others left that were killed together with their guardian.
//! * [`Lease`]: one resource for many processes; `once`: set-up that happens once for it;
//!   [`ResourceLock`]: what one of its users has alone.
//! * `waiting`: for the locks of those two.
//! * `keeping`: what is left for a look instead.
//! * `ending`, `host`: what is done before a process ends that runs in a container, and what others
//!   do about one that ended with its container.
//! * `state_dir`: where all these locks lie.

mod create_call;
mod ending;
mod guard;
mod guardian;
mod host;
mod keeping;
mod kind;
mod lease;
mod lease_file;
mod once;
mod ours;
mod pending;
mod removal;
mod resource_lock;
mod retry;
mod session;
mod session_lock;
mod state_dir;
mod sweep;
mod swept;
mod vigil;
mod waiting;
mod watch;
mod watch_over;
mod worker;

pub(crate) use ending::builds;
pub(crate) use guard::{Guard, Share};
pub(crate) use kind::Kind;
pub(crate) use lease::{Lease, SHARE_LIMIT};
pub(crate) use lease_file::Made;
pub(crate) use once::set_up_once;
pub(crate) use pending::Trail;
pub(crate) use resource_lock::ResourceLock;
use session::Session;
pub use sweep::sweep;
pub use swept::Swept;
pub use watch_over::Reaper;
pub(crate) use watch_over::Scraps;
pub(crate) use worker::Worker;

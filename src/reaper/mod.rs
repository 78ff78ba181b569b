//! Layer 2: ownership. Whatever castoff creates has an owner before it exists.
//!
//! From the bottom up; a file imports from those above it in this list only, which
//! `tests/it/layers.rs` checks:
//!
//! * `kind`: what sort of resource it is; `session`: this process's name on the engine.
//! * `state_dir`: where the locks lie by which processes see each other; `session_lock`: the one by
//!   which others know that this process lives; `labels`: what tells whose a resource is.
//! * `guardian`: a forked child that survives the process and removes what is left of it.
//! * [`Worker`]: the one teardown thread, with a runtime of its own. Creations run there too, so
//!   that a caller's dropped future can't cut one in half. `ending`: what is done before a process
//!   ends that runs in a container.
//! * [`Owner`]: what stands behind this process on one engine: a `watch`, which has the session
//!   lock and the guardian. `vigil` replaces a guardian that was killed; `keep_policy` says what is
//!   kept for inspection.
//! * `removal`: how a resource is removed. `listing` and `ours` find what is castoff's.
//! * `lease_file`, `waiting`, `dead_lease`: the files of leases, with and without a holder.
//! * `leftovers`, `host`: what the dead have left, also those whose container is gone; `sweep`
//!   removes it, `first_sweep` before the first resource of this process; `kept` removes what was
//!   kept.
//! * [`Lease`]: one resource for many processes.
//! * `pending`: a removal that goes on as long as the process lives.
//! * [`Guard`]: RAII over one resource, armed before the create call is sent.
//! * `setup_lock`: set-up that happens once for a shared resource; [`ResourceLock`]: what one of
//!   its users has alone.

mod create_call;
mod dead_lease;
mod ending;
mod first_sweep;
mod guard;
mod guardian;
mod host;
mod intermediate_images;
mod keep_policy;
mod kept;
mod kind;
mod labels;
mod lease;
mod lease_file;
mod leftovers;
mod listing;
mod on_thread;
mod ours;
mod owner;
mod pending;
mod removal;
mod resource_lock;
mod retry;
mod session;
mod session_lock;
mod setup_lock;
mod state_dir;
mod sweep;
mod sweep_report;
mod vigil;
mod waiting;
mod watch;
mod worker;

pub(crate) use ending::builds;
pub(crate) use guard::{Guard, Share};
pub(crate) use intermediate_images::IntermediateImages;
pub(crate) use kept::remove_kept;
pub(crate) use kind::Kind;
pub(crate) use lease::{Lease, SHARE_LIMIT};
pub(crate) use lease_file::SharedResource;
pub(crate) use owner::Owner;
pub use owner::Reaper;
pub(crate) use pending::Trail;
pub(crate) use resource_lock::ResourceLock;
pub(crate) use setup_lock::set_up_once;
pub(crate) use sweep::sweep_now;
pub use sweep_report::SweepReport;
pub(crate) use worker::Worker;

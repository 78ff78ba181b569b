//! Layer 2: ownership. Whatever castoff creates has an owner before it exists.
//!
//! The files from the bottom up; none import from each other in a circle, but for those of
//! `guardian` that `tests/it/layers.rs` lists:
//!
//! * `kind`: the kinds of resources; `session`: the name of this process on the engine.
//! * `state_dir`: the directory of the locks by which processes know of each other; `session_lock`:
//!   the lock that shows others that this process lives; `labels`: the labels that name an owner.
//! * `guardian`: a forked child that outlives the process and removes its resources.
//! * [`Worker`]: the one teardown thread, with a runtime of its own. Creations run there too, so
//!   that a caller's dropped future can't cut one in half. `ending`: the work before the end of a
//!   process that runs in a container.
//! * [`Owner`]: the owner of all that this process creates on one engine: a `watch`, which has the
//!   session lock and the guardian. `vigil` replaces a guardian that was killed; `keep_policy`
//!   decides what is kept for inspection.
//! * `removal`: the removal of one resource. `listing` and `ours` find castoff's resources.
//! * `lease_file`, `waiting`, `dead_lease`: the files of leases, with and without a holder.
//! * `leftovers`, `host`: the resources of dead sessions, also of those whose container is gone;
//!   `sweep` removes them, `first_sweep` does so before the first resource of this process; `kept`
//!   removes kept resources.
//! * [`Lease`]: one resource for many processes.
//! * `pending`: a removal that goes on as long as the process lives.
//! * [`Guard`]: RAII over one resource, armed before the create call is sent.
//! * `setup_lock`: set-up that runs once for a shared resource; [`ResourceLock`]: a lock that one
//!   of its users holds at a time.

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

//! The child's part in shared resources: it holds its parent's leases until they have lingered, and
//! removes the resources that it was the last to hold.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::BorrowedFd;

use rustix::fs::FlockOperation;

use super::super::kind::Kind;
use super::address::Address;
use super::child::now;
use super::http::shared_request;
use super::remove::{Outcome, Round};
use super::work::{Lease, Work};

/// The first byte of a lease's file. The parent's side writes it, and the child in one place here.
pub(crate) mod state {
    /// A process makes the resource and holds the exclusive lock.
    pub(crate) const MAKING: u8 = b'm';
    /// The resource is ready, and each of its users holds a shared lock.
    pub(crate) const READY: u8 = b'r';
    /// The resource is ready, and stays.
    pub(crate) const KEPT: u8 = b'k';
}

/// Limit for a list request, in bytes: a path, some braces, and a label's value.
const REQUEST_MAX: usize = 512;

/// Limit, from the parent's end, for trying a lease again that somebody else has locked, and the
/// pause between the attempts, in milliseconds. Threads of a parent that waits for its guardian may
/// hold a lock for a moment.
const OTHERS: u64 = 2_000;
const AGAIN: u64 = 50;

/// Settles the leases that are due. `began` is the time at which the parent ended.
pub(super) fn pass(work: &mut Work, engine: &Address, began: u64, give_up: u64) -> Outcome {
    let mut outcome = Outcome::Nothing;
    let (hold, hurry) = (work.hold, work.hurry);
    let Work { leases, ids, kept, input, committed, .. } = work;
    let committed = committed.get();
    for kind in Kind::ALL {
        for lease in leases.held().filter(|lease| lease.kind() == Some(kind)) {
            if due(lease, began) > now() {
                continue;
            }
            if !is_ours(lease, hold) {
                let age = now().saturating_sub(began);
                let used = lease.file().and_then(read) == Some(state::READY);
                if hurry && used && age < OTHERS {
                    lease.linger = age.saturating_add(AGAIN);
                } else {
                    lease.end();
                }
                continue;
            }
            let mut buffer = [0; REQUEST_MAX];
            let Some(request) = shared_request(kind, lease.value.get(), &mut buffer) else {
                lease.end();
                continue;
            };
            let before = ids.seen();
            let only = None;
            let mut round =
                Round { kind, request, only, committed, ids, kept, input, engine, spared: false };
            let cleared = round.clear(give_up);
            lease.creates.found(ids.seen().saturating_sub(before));
            if cleared != Outcome::Stuck && !lease.is_late() {
                settle(lease);
            }
            outcome = outcome.max(cleared);
        }
    }
    outcome
}

/// Empties the file, so that whoever waits for the lock recreates the resource. If a create call
/// may still make something, the file stays as it is: the next holder looks for that as well.
fn settle(lease: &mut Lease) {
    let Some(file) = lease.file() else { return };
    let half = read(file) == Some(state::MAKING);
    if !half || lease.creates.are_settled() {
        let _ = rustix::fs::ftruncate(file, 0);
    }
    if half { lease.end_for_now() } else { lease.end() }
}

/// Returns whether there is a lease whose resource may be created late.
pub(super) fn any_late(work: &mut Work) -> bool {
    work.leases.held().any(|lease| lease.is_late())
}

/// Returns whether for one of those a resource is still expected.
pub(super) fn any_unsettled(work: &mut Work) -> bool {
    work.leases.held().any(|lease| lease.is_late() && !lease.creates.are_settled())
}

/// Ends the leases whose resource may be created late: the search for it is over.
pub(super) fn end_late(work: &mut Work) {
    work.leases.held().filter(|lease| lease.is_late()).for_each(Lease::end);
}

/// Returns the milliseconds until the next lease is due; `None` if none is left.
pub(super) fn next(work: &mut Work, began: u64) -> Option<u64> {
    let held = work.leases.held().filter(|lease| !lease.is_late());
    held.map(|lease| due(lease, began).saturating_sub(now())).min()
}

fn due(lease: &Lease, began: u64) -> u64 {
    // Nobody can use a half-made resource.
    let half = lease.file().and_then(read) == Some(state::MAKING);
    if half || lease.is_late() { began } else { began.saturating_add(lease.linger) }
}

/// Returns whether this process is to remove the lease's resource.
///
/// Converts the shared lock to an exclusive one, and loses it if somebody else has one as well:
/// they remove the resource then.
fn is_ours(lease: &mut Lease, hold: bool) -> bool {
    let Some(file) = lease.file() else { return true };
    let exclusive = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
    // Read only now that nobody else can write it.
    let state = read(file).filter(|_| exclusive);
    let ours = match state {
        Some(state::READY) if hold => {
            let _ = rustix::io::pwrite(file, &[state::KEPT], 0);
            false
        }
        state => matches!(state, Some(state::MAKING | state::READY)),
    };
    if exclusive && !ours {
        lease.end();
    }
    ours
}

fn read(file: BorrowedFd<'_>) -> Option<u8> {
    let mut first = [0];
    let read = rustix::io::pread(file, &mut first, 0).ok()?;
    first.first().copied().filter(|_| read == 1)
}

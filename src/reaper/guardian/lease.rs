//! What the child does about shared resources: it holds its parent's leases until nobody else may
//! come back for them, and removes what it was the last to hold.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::BorrowedFd;

use rustix::fs::FlockOperation;

use super::super::kind::Kind;
use super::address::Address;
use super::child::now;
use super::http::shared_request;
use super::remove::{Outcome, Round};
use super::work::{Lease, Work};

/// What a lease's file begins with. Written by the parent's side, and in one place here.
pub(crate) mod state {
    /// Somebody makes the resource and holds the exclusive lock.
    pub(crate) const MAKING: u8 = b'm';
    /// It is there, and whoever uses it holds a shared lock.
    pub(crate) const READY: u8 = b'r';
    /// It is there, and stays.
    pub(crate) const KEPT: u8 = b'k';
}

/// Longest list request: a path, some braces, and a label's value.
const REQUEST_MAX: usize = 512;

/// While a parent that waits for its guardian is still there, its own threads may have a lock for a
/// moment: for so many milliseconds from its end, and so often, somebody's lock is tried again.
const OTHERS: u64 = 2_000;
const AGAIN: u64 = 50;

/// Settles the leases whose time has come. `began` is when the parent ended.
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

/// Whoever waits for the lock finds nothing, and makes it anew. What is yet to come of a create
/// call stays noted: whoever comes next looks for it as well.
fn settle(lease: &mut Lease) {
    let Some(file) = lease.file() else { return };
    let half = read(file) == Some(state::MAKING);
    if !half || lease.creates.are_settled() {
        let _ = rustix::fs::ftruncate(file, 0);
    }
    if half { lease.end_for_now() } else { lease.end() }
}

/// Returns whether something is to be looked for that may come to be yet.
pub(super) fn any_late(work: &mut Work) -> bool {
    work.leases.held().any(|lease| lease.is_late())
}

/// Returns whether something of that has to come yet, as far as is known.
pub(super) fn any_unsettled(work: &mut Work) -> bool {
    work.leases.held().any(|lease| lease.is_late() && !lease.creates.are_settled())
}

/// It has been looked for often enough.
pub(super) fn end_late(work: &mut Work) {
    work.leases.held().filter(|lease| lease.is_late()).for_each(Lease::end);
}

/// Milliseconds until the next lease's time comes; `None` if there is none left.
pub(super) fn next(work: &mut Work, began: u64) -> Option<u64> {
    let held = work.leases.held().filter(|lease| !lease.is_late());
    held.map(|lease| due(lease, began).saturating_sub(now())).min()
}

fn due(lease: &Lease, began: u64) -> u64 {
    // What is half made is of no use to anybody.
    let half = lease.file().and_then(read) == Some(state::MAKING);
    if half || lease.is_late() { began } else { began.saturating_add(lease.linger) }
}

/// Returns whether what this lease is for is to be removed, and by this process.
///
/// The shared lock becomes an exclusive one, and is lost where somebody else has one as well: they
/// see to it then.
fn is_ours(lease: &mut Lease, hold: bool) -> bool {
    let Some(file) = lease.file() else { return true };
    let exclusive = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
    // Only now that nobody else can write it.
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

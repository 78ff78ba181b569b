//! The child: detaches itself, waits for its parent's end, and has everything removed.
//!
//! All of this runs after `fork` in a copy of a process that may have had other threads: system
//! calls on memory that is there already, and nothing else (see the module's introduction).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::time::{ClockId, Timespec};

use super::address::Address;
use super::lease;
use super::remove::{self, Outcome};
use super::sys::{self, Arena};
use super::work::RECORD;

/// How long to go on without a success: an engine may be restarting, or busy.
const PATIENCE: u64 = 60_000;
/// How long to go on at all, whatever happens.
const LIFETIME: u64 = 600_000;
/// Requests to create something may still be in the engine when their sender dies. Once all is
/// gone, the child looks again after each of these.
const QUIET: [u64; 9] = [50, 100, 100, 200, 300, 500, 700, 1_000, 1_500];
/// Messages read at once. Whole ones, so that a descriptor comes with the message it belongs to.
const MESSAGES: usize = 100;
const FIRST_PAUSE: u64 = 100;
const LONGEST_PAUSE: u64 = 5_000;

/// What the parent hands to the child.
pub(super) struct Plan {
    pub(super) arena: Arena,
    pub(super) engine: Address,
    pub(super) stream: RawFd,
    /// The session's locked file.
    pub(super) lock: Option<RawFd>,
}

/// The first child. Returns its exit code: 0, or the number of the error that kept it from
/// starting the second, which is the guardian. When it is gone, nothing of the parent is held.
pub(super) extern "C" fn detach(plan: &mut Plan) -> i32 {
    // Fails only for the leader of a process group, which a new child isn't.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir(c"/");
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"castoff-guard");
    if let Err(error) = sys::keep_only(plan.stream, plan.lock) {
        return error;
    }
    match sys::fork(guard, plan) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(1),
    }
}

/// The guardian. Its exit code is nobody's.
extern "C" fn guard(plan: &mut Plan) -> i32 {
    let stream = sys::stream();
    if wait_for_end(plan, stream) {
        clean(plan);
    }
    0
}

/// Blocks until the parent is gone, noting what it says. `false` if that can't be known.
fn wait_for_end(plan: &mut Plan, stream: BorrowedFd<'_>) -> bool {
    let work = plan.arena.work();
    let mut message = [0_u8; RECORD];
    let (mut filled, mut file) = (0_usize, None);
    loop {
        let input = work.input.get_mut(..RECORD.saturating_mul(MESSAGES)).unwrap_or_default();
        match receive(stream, input, &mut file) {
            Ok(0) | Err(Errno::CONNRESET) => return true,
            Ok(count) => {
                for index in 0..count {
                    let byte = work.input.get(index).unwrap_or(&0);
                    if let Some(place) = message.get_mut(filled) {
                        *place = *byte;
                    }
                    filled = filled.saturating_add(1);
                    if filled >= RECORD {
                        work.take(&message, &mut file);
                        filled = 0;
                    }
                }
            }
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Reads what is there, and the descriptor that came with the last message in it.
fn receive(
    stream: BorrowedFd<'_>,
    input: &mut [u8],
    file: &mut Option<OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(stream, &mut [IoSliceMut::new(input)], &mut control, RecvFlags::empty())?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            *file = files.last();
        }
    }
    Ok(received.bytes)
}

/// Removes until nothing is left and nothing new appears, or patience ends.
fn clean(plan: &mut Plan) {
    let Plan { arena, engine, lock, .. } = plan;
    let work = arena.work();
    let began = now();
    let mut end = began.saturating_add(LIFETIME);
    let mut give_up = began.saturating_add(PATIENCE);
    let mut pause = FIRST_PAUSE;
    let mut quiet = QUIET.iter();
    let mut owned = !work.idle && !work.hold;
    while now() < end {
        let shared = lease::pass(work, engine, began, give_up);
        let own = if owned { remove::pass(work, engine, give_up) } else { Outcome::Nothing };
        match shared.max(own) {
            Outcome::Nothing => match quiet.next().filter(|_| owned || lease::any_late(work)) {
                Some(time) => sleep(*time),
                None => {
                    lease::end_late(work);
                    if owned && lock.is_some() {
                        // Nothing for a sweep to look for.
                        let _ = rustix::fs::ftruncate(sys::lock(), 0);
                    }
                    owned = false;
                    let Some(next) = lease::next(work, began) else { return };
                    sleep(next);
                    end = now().saturating_add(LIFETIME);
                    give_up = now().saturating_add(PATIENCE);
                }
            },
            Outcome::Removed => {
                quiet = QUIET.iter();
                pause = FIRST_PAUSE;
                give_up = now().saturating_add(PATIENCE);
            }
            Outcome::Stuck => {
                if now() >= give_up {
                    // What is left here is for a sweep; what is shared may go yet, later.
                    let Some(next) = lease::next(work, began).filter(|next| *next > 0) else {
                        return;
                    };
                    owned = false;
                    lease::end_late(work);
                    sleep(next);
                    end = now().saturating_add(LIFETIME);
                    give_up = now().saturating_add(PATIENCE);
                }
                quiet = QUIET.iter();
                sleep(pause);
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Milliseconds on a clock that never steps.
pub(super) fn now() -> u64 {
    let time = Duration::try_from(rustix::time::clock_gettime(ClockId::Monotonic));
    time.map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn timespec(millis: u64) -> Timespec {
    Timespec::try_from(Duration::from_millis(millis)).unwrap_or_default()
}

pub(super) fn sleep(millis: u64) {
    // Every signal is blocked: nothing cuts it short, and it wouldn't matter.
    let _ = rustix::event::poll(&mut [], Some(&timespec(millis)));
}

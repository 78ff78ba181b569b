//! The child: detaches itself, waits for its parent's end, and removes what is left.
//!
//! All of this runs after `fork` in a copy of a process that may have had other threads: it makes
//! system calls on memory that was mapped before, and nothing else (see the module's introduction).

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
use super::message::RECORD;
use super::remove::{self, Outcome};
use super::sys::{self, Arena};
use super::work::Work;

/// Limit for going on without a success, in milliseconds: an engine may be restarting, or busy.
const PATIENCE: u64 = 60_000;
/// Limit for the removal after the parent's end, and again after each linger, in milliseconds.
const LIFETIME: u64 = 600_000;
/// Pauses in milliseconds before each further pass once everything is removed: the engine may still
/// process create calls when their sender dies.
pub(super) const QUIET: [u64; 9] = [50, 100, 100, 200, 300, 500, 700, 1_000, 1_500];
/// Limit for the search for resources of unanswered create calls, from the parent's end, in
/// milliseconds.
const UNSETTLED: u64 = 120_000;
/// The first and the longest pause of this search, in milliseconds.
const LATE_PAUSE: u64 = 1_000;
const LONGEST_LATE: u64 = 5_000;
/// Messages to read at once. Whole ones, so that a descriptor comes with its own message.
const MESSAGES: usize = 100;
const FIRST_PAUSE: u64 = 100;
const LONGEST_PAUSE: u64 = 5_000;

/// The values that the parent hands to the child.
pub(super) struct Plan {
    pub(super) arena: Arena,
    pub(super) engine: Address,
    pub(super) stream: RawFd,
    /// The session's lock file.
    pub(super) lock: Option<RawFd>,
}

/// Runs the first child. Returns its exit code: 0, or the number of the error that kept it from
/// starting the second one, the guardian. Once it has exited, the parent's other descriptors are
/// closed.
pub(super) extern "C" fn detach(plan: &mut Plan) -> i32 {
    // Fails only for the leader of a process group, which a new child isn't.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir(c"/");
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"castoff-guard");
    if let Err(error) = sys::keep_only(plan.stream, plan.lock) {
        return error;
    }
    raise_limit();
    #[cfg(target_os = "linux")]
    {
        let range = plan.arena.range();
        // Before the second fork, which then has little to copy.
        super::maps::give_up(range, &mut plan.arena.work().input);
        super::name::take_own(&mut plan.arena.work().input);
    }
    match sys::fork(guard, plan) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(1),
    }
}

/// Raises the limit for open files to the hard limit: each lease comes with a file.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Runs the guardian. Nobody reads its exit code.
extern "C" fn guard(plan: &mut Plan) -> i32 {
    let stream = sys::stream();
    if wait_for_end(plan, stream) {
        clean(plan);
    }
    0
}

/// Blocks until the parent is gone, and handles its messages. `false` if its end can't be noticed.
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

/// Removes until nothing is left and nothing new appears, or a limit has passed.
fn clean(plan: &mut Plan) {
    let Plan { arena, engine, lock, .. } = plan;
    let work = arena.work();
    let mut owned = !work.idle && !work.hold;
    let mut looks = Looks::begin();
    while now() < looks.end {
        let shared = lease::pass(work, engine, looks.began, looks.give_up);
        let own = if owned { remove::pass(work, engine, looks.give_up) } else { Outcome::Nothing };
        let pause = match shared.max(own) {
            Outcome::Removed => {
                looks.success();
                0
            }
            Outcome::Nothing => match looks.again(work, owned) {
                Some(pause) => pause,
                None => {
                    let clear = work.creates.are_settled() && !work.kept.any_sealed();
                    if owned && clear && lock.is_some() {
                        // A sweep has nothing to look for.
                        let _ = rustix::fs::ftruncate(sys::lock(), 0);
                    }
                    owned = false;
                    lease::end_late(work);
                    let Some(pause) = lease::next(work, looks.began) else { return };
                    looks.patience_from(pause);
                    pause
                }
            },
            Outcome::Stuck if now() < looks.give_up => looks.failure(),
            Outcome::Stuck => {
                // The rest is left to a sweep; leases that linger may still be settled later.
                owned = false;
                lease::end_late(work);
                let Some(pause) = lease::next(work, looks.began).filter(|next| *next > 0) else {
                    return;
                };
                looks.patience_from(pause);
                pause
            }
        };
        sleep(pause);
    }
}

/// The schedule of the passes over the engine.
struct Looks {
    /// The time at which the parent ended.
    began: u64,
    end: u64,
    give_up: u64,
    /// The pause after the next failure.
    pause: u64,
    quiet: core::slice::Iter<'static, u64>,
    /// The pause before the next search for resources that are created late.
    late: u64,
}

impl Looks {
    fn begin() -> Self {
        let began = now();
        let mut looks =
            Looks { began, end: 0, give_up: 0, pause: 0, quiet: QUIET.iter(), late: LATE_PAUSE };
        looks.patience_from(0);
        looks
    }

    fn patience_from(&mut self, pause: u64) {
        let start = now().saturating_add(pause);
        self.end = start.saturating_add(LIFETIME);
        self.give_up = start.saturating_add(PATIENCE);
        self.pause = FIRST_PAUSE;
    }

    fn success(&mut self) {
        self.quiet = QUIET.iter();
        self.pause = FIRST_PAUSE;
        self.give_up = now().saturating_add(PATIENCE);
    }

    fn failure(&mut self) -> u64 {
        self.quiet = QUIET.iter();
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause
    }

    /// Returns the pause before the next pass after one that found nothing; `None` if that was the
    /// last one.
    fn again(&mut self, work: &mut Work, owned: bool) -> Option<u64> {
        if !owned && !lease::any_late(work) {
            return None;
        }
        self.give_up = now().saturating_add(PATIENCE);
        let unsettled = owned && !work.creates.are_settled() || lease::any_unsettled(work);
        if work.hurry && !unsettled {
            // The parent waits for this, and each of its calls was answered.
            return None;
        }
        if let Some(pause) = self.quiet.next() {
            return Some(*pause);
        }
        if !unsettled || now() >= self.began.saturating_add(UNSETTLED) {
            return None;
        }
        let pause = self.late;
        self.late = pause.saturating_add(pause.div_euclid(2)).min(LONGEST_LATE);
        // Another lease's linger may end before that.
        Some(lease::next(work, self.began).map_or(pause, |next| next.clamp(FIRST_PAUSE, pause)))
    }
}

/// Returns the milliseconds on a clock that never steps.
pub(super) fn now() -> u64 {
    let time = Duration::try_from(rustix::time::clock_gettime(ClockId::Monotonic));
    time.map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn timespec(millis: u64) -> Timespec {
    Timespec::try_from(Duration::from_millis(millis)).unwrap_or_default()
}

pub(super) fn sleep(millis: u64) {
    // All signals are blocked; an interruption would do no harm anyway.
    let _ = rustix::event::poll(&mut [], Some(&timespec(millis)));
}

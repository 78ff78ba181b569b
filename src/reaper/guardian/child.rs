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
use super::message::RECORD;
use super::remove::{self, Outcome};
use super::sys::{self, Arena};
use super::work::Work;

/// How long to go on without a success: an engine may be restarting, or busy.
const PATIENCE: u64 = 60_000;
/// The overall deadline of the guardian.
const LIFETIME: u64 = 600_000;
/// Requests to create something may still be in the engine when their sender dies. Once all is
/// gone, the child looks again after each of these.
pub(super) const QUIET: [u64; 9] = [50, 100, 100, 200, 300, 500, 700, 1_000, 1_500];
/// How long to look for what a create call that was not answered makes, and between these looks.
const UNSETTLED: u64 = 120_000;
const LATE_PAUSE: u64 = 1_000;
const LONGEST_LATE: u64 = 5_000;
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

/// As many files as are allowed: leases come with one each.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
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
                        // Nothing for a sweep to look for.
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
                // What is left here is for a sweep; what is shared may go yet, later.
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

/// When to look once more, and for how long.
struct Looks {
    /// When the parent ended.
    began: u64,
    end: u64,
    give_up: u64,
    /// After the last failure.
    pause: u64,
    quiet: core::slice::Iter<'static, u64>,
    /// After the last look for what is yet to come.
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

    /// The pause before the next look, when this one found nothing; `None` if it was the last one.
    fn again(&mut self, work: &mut Work, owned: bool) -> Option<u64> {
        if !owned && !lease::any_late(work) {
            return None;
        }
        self.give_up = now().saturating_add(PATIENCE);
        let unsettled = owned && !work.creates.are_settled() || lease::any_unsettled(work);
        if work.hurry && !unsettled {
            // The parent waits for this, and has had an answer to every call.
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
        // Others may wait for the end of a linger meanwhile.
        Some(lease::next(work, self.began).map_or(pause, |next| next.clamp(FIRST_PAUSE, pause)))
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

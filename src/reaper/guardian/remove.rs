//! One pass over the engine: resources that carry the label are listed and removed, kind by kind.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::super::kind::Kind;
use super::address::Address;
use super::child::{now, sleep, timespec};
use super::http::{Call, Response, call};
use super::intermediate_images::ImageTable;
use super::json::{ID_MAX, Ids, Traits};
use super::ours;
use super::work::{IdTable, KeepTable, Work};

/// Limit for concurrent calls.
const CONNECTIONS: usize = 16;
const LIST_BOUND: u64 = 20_000;
const DELETE_BOUND: u64 = 30_000;
/// Limit for rounds without a success before the next kind gets its turn.
const STALLS: u64 = 3;
const STALL_PAUSE: u64 = 50;

/// The outcome of one removal pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// There was nothing to remove.
    Nothing,
    /// There was something, and it was removed.
    Removed,
    /// There is something that stays, or the engine doesn't answer.
    Stuck,
}

/// Removes resources of each kind in turn, whatever the outcome of the kind before.
pub(super) fn pass(work: &mut Work, engine: &Address, give_up: u64) -> Outcome {
    let Work { requests, ids, kept, input, images, nameless, committed, creates, .. } = work;
    let committed = committed.get();
    let mut outcome = Outcome::Nothing;
    let before = ids.seen();
    for (kind, request) in Kind::ALL.into_iter().zip(requests) {
        if !kept.is_sealed(kind) {
            let request = request.get();
            let only = None;
            let mut round =
                Round { kind, request, only, committed, ids, kept, input, engine, spared: false };
            outcome = outcome.max(round.clear(give_up));
        }
    }
    creates.found(ids.seen().saturating_sub(before));
    if !images.is_empty() {
        let (kind, request, only) = (Kind::Image, nameless.get(), Some(&*images));
        let mut round =
            Round { kind, request, only, committed, ids, kept, input, engine, spared: false };
        outcome = outcome.max(round.clear(give_up));
    }
    outcome
}

/// The removal of what one request lists, all of one kind.
pub(super) struct Round<'a> {
    pub(super) kind: Kind,
    pub(super) request: &'a [u8],
    /// The only images to remove, if given.
    pub(super) only: Option<&'a ImageTable>,
    /// The request that lists the images that others committed from castoff's containers.
    pub(super) committed: &'a [u8],
    pub(super) ids: &'a mut IdTable,
    pub(super) kept: &'a mut KeepTable,
    pub(super) input: &'a mut [u8],
    pub(super) engine: &'a Address,
    /// Whether an image stays as long as somebody's container uses it.
    pub(super) spared: bool,
}

impl Round<'_> {
    /// Lists and removes until the list is empty.
    pub(super) fn clear(&mut self, give_up: u64) -> Outcome {
        let mut outcome = Outcome::Nothing;
        let (mut stalls, mut pause) = (0_u64, 0_u64);
        loop {
            if self.list().is_none() {
                return Outcome::Stuck;
            }
            if self.ids.is_empty() {
                return if self.spared { Outcome::Stuck } else { outcome };
            }
            // An engine may list resources for a while after it has reported their removal.
            sleep(pause);
            pause = pause.saturating_mul(2).clamp(10, 1_000);
            if self.delete_all() {
                outcome = Outcome::Removed;
                stalls = 0;
                if now() >= give_up {
                    return outcome;
                }
            } else {
                stalls = stalls.saturating_add(1);
                if stalls >= STALLS || now() >= give_up {
                    return Outcome::Stuck;
                }
                sleep(stalls.saturating_mul(STALL_PAUSE));
            }
        }
    }

    /// Removes what the table holds, concurrently. Returns whether the engine confirmed any
    /// removal.
    fn delete_all(&self) -> bool {
        let podman = self.engine.is_podmans();
        if podman && self.kind == Kind::Container {
            // Otherwise the removal takes the stop timeout if the process ignores SIGTERM.
            send_all(Call::Stop, self.ids, self.engine);
        }
        let call = match self.only {
            Some(_) => Call::DeleteNameless,
            None => Call::Delete { kind: self.kind, podman },
        };
        send_all(call, self.ids, self.engine)
    }

    /// Fills the table with the ids to remove. `None` if the engine gave no complete, good answer.
    fn list(&mut self) -> Option<()> {
        let Self { kind, request, only, ids, kept, input, engine, spared, .. } = self;
        ids.clear();
        *spared = false;
        scan(engine, request, input, Ids::new(*kind), |id, traits| {
            // A full table is enough for this round: the next one lists the rest.
            let meant = only.is_none_or(|only| only.holds(id, traits.image()));
            let counts = only.is_none() && (*kind != Kind::Image || !traits.has_no_name());
            !meant || kept.holds(*kind, id) || ids.push(id, traits, counts)
        })?;
        // The ids of a build's images come from the build itself and need no further proof.
        if only.is_none() { ours::spare_others(self) } else { Some(()) }
    }
}

/// Reads a list, and calls `each` until that returns `false`. `None` if the engine gave no
/// complete, good answer.
pub(super) fn scan(
    engine: &Address,
    request: &[u8],
    input: &mut [u8],
    mut scan: Ids,
    mut each: impl FnMut(&[u8], &Traits) -> bool,
) -> Option<()> {
    let mut exchange = Exchange::start(engine, request, LIST_BOUND)?;
    loop {
        let remaining = exchange.remaining()?;
        let mut fds = [PollFd::new(&exchange.socket, PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&timespec(remaining)));
        let count = match rustix::io::read(&exchange.socket, &mut *input) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(_) => return None,
        };
        for byte in input.get(..count).unwrap_or(&[]) {
            let body = exchange.response.feed(*byte);
            if exchange.response.status().is_some_and(|status| status != 200) {
                return None;
            }
            if let Some((id, traits)) = body.and_then(|byte| scan.feed(byte))
                && !each(id, &traits)
            {
                return Some(());
            }
        }
        if scan.complete() {
            return Some(());
        }
        if exchange.response.ended() {
            return None;
        }
    }
}

/// Returns the status of the answer to a request; `None` if there is none in time.
pub(super) fn status(engine: &Address, request: &[u8]) -> Option<u16> {
    let mut exchange = Exchange::start(engine, request, LIST_BOUND)?;
    loop {
        let remaining = exchange.remaining()?;
        let mut fds = [PollFd::new(&exchange.socket, PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&timespec(remaining)));
        match exchange.advance() {
            Progress::Answer(status) => return Some(status),
            Progress::Failed => return None,
            Progress::Waiting => {}
        }
    }
}

/// Sends a call for each id, concurrently. Returns whether the engine confirmed any.
fn send_all(what: Call, ids: &IdTable, engine: &Address) -> bool {
    let mut exchanges = [const { None }; CONNECTIONS];
    let (mut next, mut any) = (0_usize, false);
    loop {
        for place in exchanges.iter_mut().filter(|place| place.is_none()) {
            let Some(id) = ids.get(next) else { break };
            next = next.saturating_add(1);
            let mut request = [0; ID_MAX + 160];
            // A resource whose call can't be sent now is listed again.
            *place = call(what, id, &mut request)
                .and_then(|request| Exchange::start(engine, request, DELETE_BOUND));
        }
        let finished = exchanges.iter().all(Option::is_none);
        if finished && ids.get(next).is_none() {
            return any;
        }
        if !finished {
            wait_for_any(&exchanges);
        }
        for place in &mut exchanges {
            match place.as_mut().map(Exchange::advance) {
                Some(Progress::Answer(status)) => {
                    any |= (200..300).contains(&status);
                    *place = None;
                }
                Some(Progress::Failed) => *place = None,
                Some(Progress::Waiting) | None => {}
            }
        }
    }
}

/// Blocks until one of the exchanges can be read from or has run out of time.
fn wait_for_any(exchanges: &[Option<Exchange>; CONNECTIONS]) {
    let Some(first) = exchanges.iter().flatten().next() else { return };
    let timeout = exchanges.iter().flatten().map(|e| e.remaining().unwrap_or(0)).min();
    // Empty places poll the first exchange's socket, too, which causes no needless wake-up.
    let mut fds = [const { None }; CONNECTIONS];
    for (fd, exchange) in fds.iter_mut().zip(exchanges) {
        *fd = Some(exchange.as_ref().unwrap_or(first));
    }
    let mut fds = fds.map(|exchange| PollFd::new(&exchange.unwrap_or(first).socket, PollFlags::IN));
    let _ = rustix::event::poll(&mut fds, Some(&timespec(timeout.unwrap_or(0))));
}

enum Progress {
    Waiting,
    Answer(u16),
    Failed,
}

/// A request under way, and the part of its response that has arrived.
struct Exchange {
    socket: OwnedFd,
    response: Response,
    deadline: u64,
}

impl Exchange {
    fn start(engine: &Address, request: &[u8], bound: u64) -> Option<Self> {
        let socket = engine.connect()?;
        // The buffer of a new socket takes a request as a whole; otherwise the exchange has failed.
        let sent = rustix::net::send(socket.as_fd(), request, SendFlags::empty()).ok()?;
        let deadline = now().saturating_add(bound);
        (sent == request.len()).then_some(Self { socket, response: Response::new(), deadline })
    }

    /// Returns the milliseconds left; `None` when time is up.
    fn remaining(&self) -> Option<u64> {
        self.deadline.checked_sub(now()).filter(|left| *left > 0)
    }

    /// Reads what has arrived, until the status is known.
    fn advance(&mut self) -> Progress {
        let mut buffer = [0_u8; 256];
        match rustix::io::read(&self.socket, &mut buffer) {
            Ok(0) => Progress::Failed,
            Ok(count) => {
                for byte in buffer.get(..count).unwrap_or(&[]) {
                    self.response.feed(*byte);
                }
                self.response
                    .status()
                    .filter(|s| !(100..200).contains(s))
                    .map_or(Progress::Waiting, Progress::Answer)
            }
            Err(Errno::AGAIN | Errno::INTR) if self.remaining().is_some() => Progress::Waiting,
            Err(_) => Progress::Failed,
        }
    }
}

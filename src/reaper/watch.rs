//! [`Watch`]: the session lock and guardian of this process on one engine, and the lists that both
//! need.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::guardian::{self, Address, Guardian, Message};
use super::kind::Kind;
use super::retry::Retry;
use super::session::Session;
use super::session_lock::SessionLock;
use super::state_dir;
use super::vigil::{self, Guarded};
use crate::config::{Config, KeepPolicy};
use crate::forks::UnsharedFd;
use crate::spec::label;

/// The session lock and guardian of this process on one engine, and the lists that both need.
pub(super) struct Watch {
    /// The owner of this value, for the vigil.
    guarded: Weak<dyn Guarded>,
    /// Whether everything is kept unless the process ends with success.
    holds: bool,
    may_end_as_a_whole: bool,
    /// The value of the owner label, by which the guardian and sweeps find this process's
    /// resources.
    owner: String,
    address: Option<Address>,
    guardian: Option<Guardian>,
    retry: Retry,
    /// The notification of the vigil that a guardian has no room for messages.
    behind: Arc<Notify>,
    lock: Option<SessionLock>,
    owned: usize,
    /// The number of create calls that the engine has not answered.
    creating: usize,
    /// The kept resources, which a new guardian must know.
    kept: Vec<(Kind, String)>,
    leases: BTreeMap<u32, Held>,
    /// Intermediate images so far, by build.
    images: BTreeMap<u32, Vec<String>>,
    next: u32,
    rest: Rest,
}

/// The facts about the engine and this program that a watch needs.
pub(super) struct Surroundings<'a> {
    /// The engine's identity.
    pub(super) engine: &'a str,
    pub(super) config: &'a Config,
    /// The address at which the guardian reaches the engine, if it can.
    pub(super) address: Option<Address>,
    /// Whether the guardian may end with this process.
    pub(super) may_end_as_a_whole: bool,
}

/// How long a guardian with nothing to guard stays.
const REST: Duration = Duration::from_secs(10);

/// The state of a guardian with nothing to guard: a program may use many engines, one after the
/// other, so it ends after a while.
#[derive(Default)]
struct Rest {
    /// The time since which nothing is owned, leased or built.
    since: Option<Instant>,
    /// Whether a task waits for that while to pass.
    is_awaited: bool,
    /// Whether the guardian was released for that reason.
    rests: bool,
}

/// A lease, with all that the guardian must know of it.
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) value: String,
    /// Milliseconds for which the resource stays when this process is gone.
    pub(super) linger: u64,
    pub(super) file: Arc<UnsharedFd>,
    /// The numbers of create calls without an answer, and of resources not known to be gone.
    pub(super) creates: (usize, usize),
}

impl Held {
    fn message(&self, number: u32) -> Message<'_> {
        Message::Lease { number, kind: self.kind, value: &self.value, linger: self.linger }
    }

    fn creates(&self, number: u32) -> Message<'static> {
        creating(number, self.creates.0, self.creates.1)
    }
}

fn creating(lease: u32, under_way: usize, made: usize) -> Message<'static> {
    let [under_way, made] = [under_way, made].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Message::Creating { lease, under_way, made }
}

impl Watch {
    pub(super) fn begin(guarded: Weak<dyn Guarded>, surroundings: Surroundings<'_>) -> Watch {
        let Surroundings { engine, config, address, may_end_as_a_whole } = surroundings;
        let lock = SessionLock::take(config, engine);
        let lock = lock.map_err(|error| {
            tracing::warn!(?error, "no lock: nothing is swept should the guardian be killed");
        });
        // A process without a lock must not pass for a dead one of this place.
        let at = lock.is_ok().then(|| state_dir::place(config).ok()).flatten();
        let mut watch = Watch {
            guarded,
            owner: Session::current().owner(at.as_deref()),
            holds: config.keep == KeepPolicy::OnFailure,
            may_end_as_a_whole,
            address,
            guardian: None,
            retry: Retry::default(),
            behind: Arc::default(),
            lock: lock.ok(),
            owned: 0,
            creating: 0,
            kept: Vec::new(),
            leases: BTreeMap::new(),
            images: BTreeMap::new(),
            next: 0,
            rest: Rest::default(),
        };
        watch.start_guardian();
        watch
    }

    /// Returns whether the guardian may end with this process.
    pub(super) fn may_end_as_a_whole(&self) -> bool {
        self.may_end_as_a_whole
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn kept(&self) -> &[(Kind, String)] {
        &self.kept
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guardian.is_some()
    }

    /// Returns whether there is no guardian because there is nothing to guard.
    pub(super) fn rests(&self) -> bool {
        self.rest.rests
    }

    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Returns whether to begin anew: there is no guardian, an address or a lock is missing,
    /// nothing depends on this value, and a try is due.
    pub(super) fn is_void(&self) -> bool {
        let held = self.owned > 0 || !self.leases.is_empty() || !self.kept.is_empty();
        let stands = self.guardian.is_some() || self.address.is_some() && self.lock.is_some();
        !stands && !held && self.retry.is_due()
    }

    /// Starts a guardian if none lives and a try is due: one may have been killed, and what kept
    /// one from starting may be over. Returns whether there is one.
    pub(super) fn ensure_guardian(&mut self) -> bool {
        let lives = self.guardian.as_ref().is_some_and(Guardian::lives);
        if !lives {
            if self.guardian.take().is_some() {
                tracing::warn!("the guardian is gone, and another one takes its place");
            }
            if self.retry.is_due() {
                self.start_guardian();
            }
        }
        self.guardian.is_some()
    }

    fn start_guardian(&mut self) {
        self.guardian = None;
        self.rest.rests = false;
        self.retry.begun();
        let Some(address) = &self.address else { return };
        let [label, image_label] =
            [Kind::Container, Kind::Image].map(|kind| kind.label(label::OWNER, &self.owner));
        let lock = self.lock.as_ref().map(SessionLock::file);
        let began = Instant::now();
        match Guardian::arm(address, &label, &image_label, lock) {
            Ok(guardian) => {
                vigil::keep(self.guarded.clone(), guardian.stream(), &self.behind);
                self.guardian = Some(guardian);
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(micros, "the guardian stands");
            }
            Err(error) => {
                tracing::warn!(%error, "no guardian: what a killed process leaves stays until the next sweep");
            }
        }
        match self.tell_all() {
            Err(error) if is_gone(&error) => {
                tracing::warn!(%error, "the guardian ended at once");
                self.guardian = None;
            }
            Err(error) => tracing::warn!(%error, "the guardian does not know everything"),
            Ok(()) => {}
        }
    }

    /// Sends everything that a new guardian must know.
    fn tell_all(&mut self) -> std::io::Result<()> {
        let (holds, idle, own) = (self.holds, self.owned == 0, self.creates());
        let Some(guardian) = &mut self.guardian else { return Ok(()) };
        // Kept ids first: wrongly removing one cannot be undone.
        for (kind, id) in &self.kept {
            guardian.tell(Message::Keep(*kind, id), None)?;
        }
        guardian.tell(Message::Hold(holds), None)?;
        guardian.tell(Message::Idle(idle), None)?;
        guardian.tell(own, None)?;
        for (number, held) in &self.leases {
            guardian.tell(held.message(*number), Some(&held.file))?;
            guardian.tell(held.creates(*number), None)?;
        }
        for (number, ids) in &self.images {
            for id in ids {
                guardian.tell(Message::Image(*number, id), None)?;
            }
        }
        Ok(())
    }

    /// Sends a message about something that is not recorded here yet. A guardian that was killed is
    /// replaced by one that knows everything else; one that lives is never dropped, since it would
    /// act at once.
    fn tell(&mut self, message: Message<'_>, file: Option<&Arc<UnsharedFd>>) {
        for _ in 0..2 {
            let Some(guardian) = &mut self.guardian else { return };
            match guardian.tell(message, file) {
                Ok(true) => return,
                Ok(false) => return self.behind.notify_one(),
                Err(error) if is_gone(&error) => drop(self.ensure_guardian()),
                Err(error) => {
                    tracing::warn!(%error, ?message, "failed to send a message to the guardian");
                    return;
                }
            }
        }
    }

    /// Replaces a guardian that has ended, as [`ensure_guardian`](Self::ensure_guardian) does.
    /// Returns how long to wait until the next try, if there is to be one.
    pub(super) fn replace(&mut self) -> Option<Duration> {
        (!self.rest.rests && self.address.is_some() && !self.ensure_guardian())
            .then(|| self.retry.wait())
    }

    /// Lets the guardian act, and returns it.
    pub(super) fn act_now(&mut self) -> Option<Guardian> {
        self.tell(Message::Hurry, None);
        // Without an address, no other one takes its place.
        self.address = None;
        let mut guardian = self.guardian.take()?;
        guardian.catch_up_at_last();
        guardian.act_now();
        Some(guardian)
    }

    /// Sends the messages that the guardian had no room for. Returns whether some are left.
    pub(super) fn catch_up(&mut self) -> bool {
        match self.guardian.as_mut().map(Guardian::catch_up) {
            Some(Ok(all)) => !all,
            Some(Err(error)) if is_gone(&error) => {
                self.ensure_guardian();
                false
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the guardian does not know everything");
                false
            }
            None => false,
        }
    }

    /// Notes that the process ends with success: nothing is kept for inspection.
    pub(super) fn all_is_well(&mut self) {
        self.tell(Message::Hold(false), None);
        if let Some(guardian) = &mut self.guardian {
            guardian.catch_up_at_last();
        }
    }

    /// Counts a resource before its create call is sent, so that the guardian never knows of too
    /// little. Returns whether there is a guardian.
    pub(super) fn owns_one_more(&mut self) -> bool {
        self.owned += 1;
        if self.owned == 1 {
            self.note_owning(true);
        }
        if self.ensure_guardian() && self.owned == 1 {
            self.tell(Message::Idle(false), None);
        }
        self.guardian.is_some()
    }

    pub(super) fn owns_one_less(&mut self) {
        self.owned = self.owned.saturating_sub(1);
        self.tell(self.creates(), None);
        if self.owned == 0 {
            // If this message is lost, the guardian only makes needless requests.
            self.tell(Message::Idle(true), None);
            self.note_owning(false);
            self.rest_soon();
        }
    }

    fn is_idle(&self) -> bool {
        self.owned == 0 && self.leases.is_empty() && self.images.is_empty()
    }

    /// Lets the guardian end after a while if nothing is left to guard.
    fn rest_soon(&mut self) {
        if !self.is_idle() {
            return;
        }
        self.rest.since = Some(Instant::now());
        if !std::mem::replace(&mut self.rest.is_awaited, true) {
            vigil::rest_later(self.guarded.clone());
        }
    }

    /// Releases a guardian that has had nothing to guard for some time: it finds nothing to do, and
    /// ends. Returns how long to wait until the next try, if there is to be one.
    pub(super) fn rest(&mut self) -> Option<Duration> {
        let since = self.rest.since.filter(|_| self.is_idle());
        let left = since.map(|since| REST.saturating_sub(since.elapsed()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Some(left);
        }
        // A guardian that is behind does not know yet that there is nothing.
        if left.is_some() && self.catch_up() {
            return Some(REST);
        }
        self.rest.is_awaited = false;
        if left.is_some()
            && let Some(guardian) = self.guardian.take()
        {
            self.rest.rests = true;
            guardian.act_now();
            tracing::debug!("the guardian has nothing to guard, and ends");
        }
        None
    }

    /// Returns the message about create calls without an answer, and resources that may exist with
    /// those.
    fn creates(&self) -> Message<'static> {
        creating(0, self.creating, self.owned.saturating_sub(self.images.len()))
    }

    /// Notes that a create call is about to be sent, or was answered.
    pub(super) fn creating(&mut self, began: bool) {
        self.creating = if began { self.creating + 1 } else { self.creating.saturating_sub(1) };
        // The file has this line only while something is owned.
        let lock = self.lock.as_ref().filter(|_| self.owned > 0);
        if let Some(Err(error)) = lock.map(|lock| lock.creating(self.creating)) {
            tracing::warn!(%error, "a sweep would not know of a create that is under way");
        }
        self.tell(self.creates(), None);
    }

    /// Notes the same for a lease: the calls without an answer, and the resources that may exist.
    pub(super) fn creating_for(&mut self, number: u32, under_way: usize, made: usize) {
        if let Some(held) = self.leases.get_mut(&number) {
            held.creates = (under_way, made);
            self.tell(creating(number, under_way, made), None);
        }
    }

    fn note_owning(&self, any: bool) {
        let Some(lock) = &self.lock else { return };
        if let Err(error) = lock.note(any, self.creating, self.holds, &self.kept) {
            tracing::warn!(?error, "a sweep would not know of this process");
        }
    }

    pub(super) fn keep(&mut self, kind: Kind, id: &str) {
        self.tell(Message::Keep(kind, id), None);
        self.kept.push((kind, id.to_owned()));
        if self.kept.len() == guardian::MOST_KEPT {
            tracing::warn!("so much is kept that the guardian leaves the rest to a sweep");
        }
        if let Some(Err(error)) = self.lock.as_ref().map(|lock| lock.keep(kind, id)) {
            tracing::warn!(%error, id, "a sweep would not know that this is kept");
        }
    }

    pub(super) fn hold(&mut self, held: Held) -> u32 {
        self.ensure_guardian();
        if self.leases.len() >= guardian::most_leases() {
            tracing::warn!(
                value = held.value,
                "the guardian holds no more shared resources (the limit is that of descriptors, or \
                 4096): the next session's sweep removes this one if the process is killed"
            );
        }
        self.next += 1;
        let number = self.next;
        self.tell(held.message(number), Some(&held.file));
        self.leases.insert(number, held);
        number
    }

    pub(super) fn leave(&mut self, number: u32) {
        self.leases.remove(&number);
        self.tell(Message::Left(number), None);
        self.rest_soon();
    }

    /// Begins a build, and returns its number.
    pub(super) fn begin_build(&mut self) -> u32 {
        self.next += 1;
        self.images.insert(self.next, Vec::new());
        self.next
    }

    pub(super) fn note_image(&mut self, number: u32, id: &str) {
        self.tell(Message::Image(number, id), None);
        self.images.entry(number).or_default().push(id.to_owned());
    }

    pub(super) fn end_build(&mut self, number: u32) {
        self.images.remove(&number);
        self.tell(Message::Built(number), None);
    }
}

impl Drop for Watch {
    /// Lets the guardian act: the vigil has a copy of its stream, which would keep it waiting.
    fn drop(&mut self) {
        if let Some(guardian) = self.guardian.take_if(|guardian| guardian.lives()) {
            guardian.act_now();
        }
    }
}

/// Returns whether the other end is closed.
fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

//! [`Watch`]: what stands behind this process on one engine, and what it has to know.

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

/// One engine, and what this process has there.
pub(super) struct Watch {
    /// What has this, for the vigil.
    guarded: Weak<dyn Guarded>,
    /// Whether things are kept unless the process ends well.
    holds: bool,
    may_end_as_a_whole: bool,
    /// The value of the label by which the guardian and sweeps find what is this process's.
    owner: String,
    address: Option<Address>,
    guardian: Option<Guardian>,
    retry: Retry,
    /// For the one who waits until a guardian that is behind has room.
    behind: Arc<Notify>,
    lock: Option<SessionLock>,
    owned: usize,
    /// Create calls that the engine has not answered.
    creating: usize,
    /// For a guardian that has to be started once more.
    kept: Vec<(Kind, String)>,
    leases: BTreeMap<u32, Held>,
    /// What steps of builds have made so far, by build.
    images: BTreeMap<u32, Vec<String>>,
    next: u32,
    rest: Rest,
}

/// What a watch has to know of the engine and of this program.
pub(super) struct Surroundings<'a> {
    /// The engine's identity.
    pub(super) engine: &'a str,
    pub(super) config: &'a Config,
    /// Where the guardian finds the engine, if it can.
    pub(super) address: Option<Address>,
    /// Whether the guardian may end with this process.
    pub(super) may_end_as_a_whole: bool,
}

/// How long a guardian stays that has nothing to guard.
const REST: Duration = Duration::from_secs(10);

/// What becomes of a guardian that has nothing to guard: a program may use many engines, one after
/// the other.
#[derive(Default)]
struct Rest {
    /// Since when nothing is owned, held or built.
    since: Option<Instant>,
    /// Whether somebody looks whether it is time.
    is_awaited: bool,
    /// Whether the guardian has been let go of for that.
    rests: bool,
}

/// A lease, as the guardian is told of it.
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) value: String,
    /// Milliseconds.
    pub(super) linger: u64,
    pub(super) file: Arc<UnsharedFd>,
    /// Create calls that the engine has not answered, and resources that are not known to be gone.
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
        // Nobody may take a process without a lock for a dead one of this place.
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

    /// Returns whether there is no guardian since there is nothing to guard.
    pub(super) fn rests(&self) -> bool {
        self.rest.rests
    }

    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Returns whether it is worth a try to begin anew: nothing stands, and nothing depends on
    /// that.
    pub(super) fn is_void(&self) -> bool {
        let held = self.owned > 0 || !self.leases.is_empty() || !self.kept.is_empty();
        let stands = self.guardian.is_some() || self.address.is_some() && self.lock.is_some();
        !stands && !held && self.retry.is_due()
    }

    /// Sees to it that a guardian stands, where that may be tried now: one may have been killed,
    /// and what kept one from starting may be over.
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

    /// Says everything that a new guardian has to know.
    fn tell_all(&mut self) -> std::io::Result<()> {
        let (holds, idle, own) = (self.holds, self.owned == 0, self.creates());
        let Some(guardian) = &mut self.guardian else { return Ok(()) };
        // What is to stay comes first: it is the only thing that can't be made good.
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

    /// Says one thing that is not noted here yet. A guardian that was killed is replaced by one
    /// that knows everything else; one that lives is never let go of, since it would act at once.
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

    /// As [`ensure_guardian`](Self::ensure_guardian), for one that has ended: how long to wait
    /// until the next try.
    pub(super) fn replace(&mut self) -> Option<Duration> {
        (!self.rest.rests && self.address.is_some() && !self.ensure_guardian())
            .then(|| self.retry.wait())
    }

    /// Lets the guardian act, and go.
    pub(super) fn act_now(&mut self) -> Option<Guardian> {
        self.tell(Message::Hurry, None);
        // No other one is to take its place.
        self.address = None;
        let mut guardian = self.guardian.take()?;
        guardian.catch_up_at_last();
        guardian.act_now();
        Some(guardian)
    }

    /// Sends what the guardian had no room for. Returns whether something is left.
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

    /// The process ends, and all is well: nothing is kept for a look.
    pub(super) fn all_is_well(&mut self) {
        self.tell(Message::Hold(false), None);
        if let Some(guardian) = &mut self.guardian {
            guardian.catch_up_at_last();
        }
    }

    /// Before the create call is sent: what the guardian was told last is never too little.
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
            // Not told, it asks the engine in vain, which is all.
            self.tell(Message::Idle(true), None);
            self.note_owning(false);
            self.rest_soon();
        }
    }

    fn is_idle(&self) -> bool {
        self.owned == 0 && self.leases.is_empty() && self.images.is_empty()
    }

    /// Something has ended: the guardian may end as well, unless something begins soon.
    fn rest_soon(&mut self) {
        if !self.is_idle() {
            return;
        }
        self.rest.since = Some(Instant::now());
        if !std::mem::replace(&mut self.rest.is_awaited, true) {
            vigil::rest_later(self.guarded.clone());
        }
    }

    /// Lets go of a guardian that has had nothing to guard for some time: it finds nothing to do,
    /// and ends. How long to wait until the next look, if there is to be one.
    pub(super) fn rest(&mut self) -> Option<Duration> {
        let since = self.rest.since.filter(|_| self.is_idle());
        let left = since.map(|since| REST.saturating_sub(since.elapsed()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Some(left);
        }
        // One that is behind does not know yet that there is nothing.
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

    /// Returns how many creates are under way, and how many resources there may be by them.
    fn creates(&self) -> Message<'static> {
        creating(0, self.creating, self.owned.saturating_sub(self.images.len()))
    }

    /// A create call is about to be sent, or was answered.
    pub(super) fn creating(&mut self, began: bool) {
        self.creating = if began { self.creating + 1 } else { self.creating.saturating_sub(1) };
        // The line is only there as long as something is owned.
        let lock = self.lock.as_ref().filter(|_| self.owned > 0);
        if let Some(Err(error)) = lock.map(|lock| lock.creating(self.creating)) {
            tracing::warn!(%error, "a sweep would not know of a create that is under way");
        }
        self.tell(self.creates(), None);
    }

    /// The same for what is to be shared: how many are under way, and how many there may be.
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

    /// The number of a build that begins.
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
    /// Lets the guardian act: the vigil has a copy of its stream, which would keep it.
    fn drop(&mut self) {
        if let Some(guardian) = self.guardian.take_if(|guardian| guardian.lives()) {
            guardian.act_now();
        }
    }
}

/// Returns whether nobody is at the other end any more.
fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

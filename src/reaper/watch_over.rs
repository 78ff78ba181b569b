//! What stands behind this process on each engine: the session's lock and the guardian.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::guardian::{self, Address, Guardian, Word};
use super::removal::Kind;
use super::session::{Session, key_on};
use super::session_lock::{SessionLock, engine_hash};
use super::state_dir;
use super::sweep;
use super::{ending, keeping};
use crate::config::Keep;
use crate::engine::{Endpoint, Engine};
use crate::spec::label;

static WATCHES: Mutex<Option<Watches>> = Mutex::new(None);

type Watches = HashMap<Place, Watch>;

/// An engine, by whatever path it is reached, and a state directory.
type Place = (String, Option<PathBuf>);

pub(super) fn place_of(engine: &Engine) -> Place {
    (engine_hash(engine.endpoint()), engine.config().state_dir.clone())
}

/// One engine, and what this process has there.
struct Watch {
    engine: Engine,
    /// The value of the label by which the guardian and sweeps find what is this process's.
    owner: String,
    address: Option<Address>,
    guardian: Option<Guardian>,
    lock: Option<SessionLock>,
    owned: usize,
    /// For a guardian that has to be started once more.
    kept: Vec<(Kind, String)>,
    leases: BTreeMap<u32, Held>,
    /// What steps of builds have made so far, by build.
    scraps: BTreeMap<u32, Vec<String>>,
    next: u32,
}

/// A lease, as the guardian is told of it.
struct Held {
    kind: Kind,
    value: String,
    linger: u64,
    file: Arc<OwnedFd>,
}

/// Arms the guardian for an engine, if there is none yet, after a sweep of what dead sessions left
/// there. Returns whether it stands.
///
/// It can't stand where it is turned off. Where the fork fails, dropping waits for removals
/// instead, and the next session's sweep finds what the session's lock tells of.
pub(super) async fn stand(engine: &Engine) -> bool {
    if !engine.config().reaper {
        return false;
    }
    sweep::at_start(engine).await;
    if let Some(watch) = watches().get(&place_of(engine)) {
        return watch.guardian.is_some();
    }
    let address = resolve(engine.endpoint()).await;
    let mut watches = watches();
    let watch =
        watches.entry(place_of(engine)).or_insert_with(|| Watch::begin(engine.clone(), address));
    watch.guardian.is_some()
}

/// As [`stand`], and counts one resource more. Then [`done`] has to follow when it is no more.
pub(super) async fn arm(engine: &Engine) -> bool {
    stand(engine).await;
    watches().get_mut(&place_of(engine)).is_some_and(Watch::owns_one_more)
}

/// Whose it is what this process creates there: the value of a label.
pub(super) fn owner(engine: &Engine) -> String {
    let watched = watches().get(&place_of(engine)).map(|watch| watch.owner.clone());
    watched.unwrap_or_else(|| Session::current().owner(None))
}

/// A resource that was counted is no more, or never came to be.
pub(super) fn done(engine: &Engine) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.owns_one_less();
    }
}

/// Leaves a resource alone from now on.
pub(super) fn keep(engine: &Engine, kind: Kind, id: &str) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.keep(kind, id);
    }
}

/// What this process has let go of and kept.
pub(super) fn kept(engine: &Engine) -> Vec<(Kind, String)> {
    watches().get(&place_of(engine)).map(|watch| watch.kept.clone()).unwrap_or_default()
}

/// Hands a lease's lock to the guardian as well. The number is for [`leave`].
pub(super) fn hold(
    engine: &Engine,
    kind: Kind,
    value: &str,
    linger: Duration,
    file: &Arc<OwnedFd>,
) -> Option<u32> {
    let mut watches = watches();
    let watch = watches.get_mut(&place_of(engine))?;
    let linger = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
    let held = Held { kind, value: value.to_owned(), linger, file: file.clone() };
    watch.next += 1;
    let number = watch.next;
    watch.tell(held.word(number), Some(&held.file));
    watch.leases.insert(number, held);
    Some(number)
}

/// A lease is held no more.
pub(super) fn leave(engine: &Engine, number: u32) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.leases.remove(&number);
        watch.tell(Word::Left(number), None);
    }
}

/// A build that makes images on its way: should this process end before this is dropped, the guardian
/// removes those that nothing has come of.
#[derive(Debug)]
pub(crate) struct Scraps {
    engine: Engine,
    number: u32,
}

impl Scraps {
    pub(crate) async fn watch(engine: &Engine) -> Scraps {
        arm(engine).await;
        let mut watches = watches();
        let number = watches.get_mut(&place_of(engine)).map_or(0, |watch| {
            watch.next += 1;
            watch.scraps.insert(watch.next, Vec::new());
            watch.next
        });
        Scraps { engine: engine.clone(), number }
    }

    /// A step has made an image.
    pub(crate) fn made(&self, id: &str) {
        if let Some(watch) = watches().get_mut(&place_of(&self.engine)) {
            watch.tell(Word::Scrap(self.number, id), None);
            watch.scraps.entry(self.number).or_default().push(id.to_owned());
        }
    }
}

impl Drop for Scraps {
    fn drop(&mut self) {
        if let Some(watch) = watches().get_mut(&place_of(&self.engine)) {
            watch.scraps.remove(&self.number);
            watch.tell(Word::Built(self.number), None);
        }
        done(&self.engine);
    }
}

/// Who removes what a process leaves that ends without letting go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaper {
    /// The guardian, within a second.
    ///
    /// In a container or a PID namespace of its own, the guardian ends with the first process. There
    /// a return from `main` and `process::exit` wait until it is through, at most 10 s, and what is
    /// shared does not linger. Where the container is killed, it is the next session's sweep that
    /// removes: in any container of the same engine, or with the same `CASTOFF_STATE_DIR`.
    Guardian,
    /// No guardian could be started: the sweep of the next session on this host. Dropping a
    /// handle waits for the removal, at most 10 s.
    Sweep,
    /// Nobody: it is turned off (`CASTOFF_REAPER=off`), or neither a guardian nor a lock for
    /// sweeps to go by could be had. Dropping a handle waits for the removal, at most 10 s.
    Nobody,
}

impl Engine {
    /// Who removes what this process leaves here if it ends without letting go. Before its first
    /// resource: who is going to.
    #[must_use]
    pub fn reaper(&self) -> Reaper {
        let watches = watches();
        let Some(watch) = watches.get(&place_of(self)) else {
            return if self.config().reaper { Reaper::Guardian } else { Reaper::Nobody };
        };
        match (&watch.guardian, &watch.lock) {
            (Some(_), _) => Reaper::Guardian,
            (None, Some(_)) => Reaper::Sweep,
            (None, None) => Reaper::Nobody,
        }
    }
}

/// The process ends, and all is well: nothing is kept for a look.
pub(super) fn all_is_well() {
    // At the end of the process another thread may hold it for ever.
    let Ok(mut watches) = WATCHES.try_lock() else { return };
    for watch in watches.iter_mut().flatten().map(|(_, watch)| watch) {
        watch.tell(Word::Hold(false), None);
    }
}

/// The process ends, and its guardians may end with it: they act now. Each of them ends when all is
/// removed.
pub(super) fn act_now() -> Vec<Guardian> {
    let mut watches = watches();
    let at_risk = |watch: &&mut Watch| watch.engine.test_host().may_end_as_a_whole();
    watches.values_mut().filter(at_risk).filter_map(Watch::act_now).collect()
}

fn watches() -> impl std::ops::DerefMut<Target = Watches> {
    struct Locked(MutexGuard<'static, Option<Watches>>);
    impl std::ops::Deref for Locked {
        type Target = Watches;
        fn deref(&self) -> &Watches {
            self.0.as_ref().expect("filled in when locked")
        }
    }
    impl std::ops::DerefMut for Locked {
        fn deref_mut(&mut self) -> &mut Watches {
            self.0.get_or_insert_default()
        }
    }
    let mut locked = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    locked.get_or_insert_default();
    Locked(locked)
}

/// Where the guardian finds the engine. A name is looked up now: the child can't.
async fn resolve(endpoint: &Endpoint) -> Option<Address> {
    let found = match endpoint {
        Endpoint::Unix(socket) => Address::unix(socket),
        Endpoint::Tcp { host, port } => {
            // The address that answers, of those that the name has.
            let connected = tokio::net::TcpStream::connect((host.as_str(), *port)).await;
            connected.and_then(|stream| stream.peer_addr()).map(Address::Tcp)
        }
    };
    found.map_err(|error| tracing::warn!(%error, "no guardian can reach the engine")).ok()
}

impl Held {
    fn word(&self, number: u32) -> Word<'_> {
        Word::Lease { number, kind: self.kind.guarded(), value: &self.value, linger: self.linger }
    }
}

impl Watch {
    fn begin(engine: Engine, address: Option<Address>) -> Watch {
        let lock = SessionLock::take(engine.config(), engine.endpoint());
        let lock = lock.map_err(|error| {
            tracing::warn!(?error, "no lock: nothing is swept should the guardian be killed");
        });
        // Nobody may take a process without a lock for a dead one of this place.
        let place = lock.is_ok().then(|| state_dir::place(engine.config()).ok()).flatten();
        let mut watch = Watch {
            owner: Session::current().owner(place.as_deref()),
            engine,
            address,
            guardian: None,
            lock: lock.ok(),
            owned: 0,
            kept: Vec::new(),
            leases: BTreeMap::new(),
            scraps: BTreeMap::new(),
            next: 0,
        };
        if watch.holds() {
            keeping::watch_the_end();
        }
        if watch.engine.test_host().may_end_as_a_whole() {
            ending::finish_before_it();
        }
        watch.start_guardian();
        watch
    }

    /// Whether things are kept unless the process ends well.
    fn holds(&self) -> bool {
        self.engine.config().keep == Keep::OnFailure
    }

    fn start_guardian(&mut self) {
        self.guardian = None;
        let Some(address) = &self.address else { return };
        let [label, image_label] = [Kind::Container, Kind::Image]
            .map(|kind| format!("{}={}", key_on(kind, label::OWNER), self.owner));
        let lock = self.lock.as_ref().map(SessionLock::file);
        let began = Instant::now();
        match Guardian::arm(address, &label, &image_label, lock) {
            Ok(guardian) => {
                self.guardian = Some(guardian);
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(micros, "the guardian stands");
            }
            Err(error) => {
                tracing::warn!(%error, "no guardian: leftovers of a killed process stay until the next session's sweep");
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
    fn tell_all(&self) -> std::io::Result<()> {
        let Some(guardian) = &self.guardian else { return Ok(()) };
        // What is to stay comes first: it is the only thing that can't be made good.
        for (kind, id) in &self.kept {
            guardian.tell(Word::Keep(kind.guarded(), id), None)?;
        }
        guardian.tell(Word::Hold(self.holds()), None)?;
        guardian.tell(Word::Idle(self.owned == 0), None)?;
        for (number, held) in &self.leases {
            guardian.tell(held.word(*number), Some(held.file.as_fd()))?;
        }
        for (number, ids) in &self.scraps {
            for id in ids {
                guardian.tell(Word::Scrap(*number, id), None)?;
            }
        }
        Ok(())
    }

    /// Says one thing. A guardian that was killed is replaced by one that knows everything else;
    /// one that lives is never let go of, since it would act at once.
    fn tell(&mut self, word: Word<'_>, file: Option<&Arc<OwnedFd>>) {
        for _ in 0..2 {
            let Some(guardian) = &self.guardian else { return };
            match guardian.tell(word, file.map(|file| file.as_fd())) {
                Ok(()) => return,
                Err(error) if is_gone(&error) => {
                    tracing::warn!(%error, "the guardian is gone, and another one takes its place");
                    self.start_guardian();
                }
                Err(error) => {
                    tracing::warn!(%error, ?word, "the guardian does not listen");
                    return;
                }
            }
        }
    }

    /// Before the create call is sent: what the guardian was told last is never too little.
    fn owns_one_more(&mut self) -> bool {
        self.owned += 1;
        if self.owned == 1 {
            self.note_owning(true);
            self.tell(Word::Idle(false), None);
        }
        self.guardian.is_some()
    }

    fn owns_one_less(&mut self) {
        self.owned = self.owned.saturating_sub(1);
        if self.owned == 0 {
            // Not told, it asks the engine in vain, which is all.
            self.tell(Word::Idle(true), None);
            self.note_owning(false);
        }
    }

    fn act_now(&mut self) -> Option<Guardian> {
        self.tell(Word::Hurry, None);
        // No other one is to take its place.
        self.address = None;
        let guardian = self.guardian.take()?;
        guardian.act_now();
        Some(guardian)
    }

    fn note_owning(&self, any: bool) {
        let Some(lock) = &self.lock else { return };
        if let Err(error) = lock.note(any, self.holds(), &self.kept) {
            tracing::warn!(?error, "a sweep would not know of this process");
        }
    }

    fn keep(&mut self, kind: Kind, id: &str) {
        self.tell(Word::Keep(kind.guarded(), id), None);
        self.kept.push((kind, id.to_owned()));
        if let Some(Err(error)) = self.lock.as_ref().map(|lock| lock.keep(kind, id)) {
            tracing::warn!(%error, id, "a sweep would not know that this is kept");
        }
    }
}

/// Whether nobody is at the other end any more.
fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

impl Kind {
    /// The guardian's word for it.
    fn guarded(self) -> guardian::Kind {
        match self {
            Kind::Container => guardian::Kind::Container,
            Kind::Network => guardian::Kind::Network,
            Kind::Volume => guardian::Kind::Volume,
            Kind::Image => guardian::Kind::Image,
        }
    }
}

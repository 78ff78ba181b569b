//! What stands behind this process on each engine: the session's lock and the guardian.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::guardian::{Address, Guardian};
use super::kind::Kind;
use super::session::Session;
use super::sweep;
use super::watch::{Held, Watch};
use crate::engine::{Endpoint, Engine, StepImage};
use crate::forks::{PerProcess, Process, UnsharedFd};

static WATCHES: PerProcess<Mutex<Watches>> = PerProcess::new();

type Watches = HashMap<Place, Watch>;

/// An engine, by whatever path it is reached, and a state directory.
pub(super) type Place = (String, Option<PathBuf>);

pub(super) fn place_of(engine: &Engine) -> Place {
    (engine.identity().to_owned(), engine.config().state_dir.clone())
}

/// Arms the guardian for an engine, if none stands there, after a sweep of what dead sessions left
/// there. Returns whether it stands.
///
/// It can't stand where it is turned off. Where the fork fails, dropping waits for removals
/// instead, and the next session's sweep finds what the session's lock tells of; the next resource
/// is another try.
pub(super) async fn stand(engine: &Engine) -> bool {
    if !engine.config().reaper {
        return false;
    }
    sweep::at_start(engine).await;
    let place = place_of(engine);
    if let Some(watch) = watches().get_mut(&place).filter(|watch| !watch.is_void()) {
        return watch.stand();
    }
    let address = resolve(engine).await;
    let mut watches = watches();
    // Another thread may have been here meanwhile.
    if let Some(watch) = watches.get_mut(&place).filter(|watch| !watch.is_void()) {
        return watch.stand();
    }
    let watch = Watch::begin(place.clone(), engine.clone(), address);
    let stands = watch.is_guarded();
    watches.insert(place, watch);
    stands
}

/// As [`stand`], and counts one resource more. Then [`done`] has to follow when it is no more.
pub(super) async fn arm(engine: &Engine) -> bool {
    stand(engine).await;
    watches().get_mut(&place_of(engine)).is_some_and(Watch::owns_one_more)
}

/// A guardian has ended: how long to wait until another one can be tried, if none stands.
pub(super) fn replace(place: &Place) -> Option<Duration> {
    watches().get_mut(place).and_then(Watch::replace)
}

/// Lets a guardian end that has nothing to guard. How long to wait until the next look.
pub(super) fn rest(place: &Place) -> Option<Duration> {
    watches().get_mut(place).and_then(Watch::rest)
}

/// Tells a guardian what it had no room for. Whether something is left to be told.
pub(super) fn catch_up(place: &Place) -> bool {
    watches().get_mut(place).is_some_and(Watch::catch_up)
}

/// A create call is about to be sent, or was answered.
pub(super) fn creating(engine: &Engine, began: bool) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.creating(began);
    }
}

/// The same under a lease: how many calls are not answered, and how many resources there may be.
pub(super) fn creating_for(engine: &Engine, number: u32, under_way: usize, made: usize) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.creating_for(number, under_way, made);
    }
}

/// Whose it is what this process creates there: the value of a label.
pub(super) fn owner(engine: &Engine) -> String {
    let watched = watches().get(&place_of(engine)).map(|watch| watch.owner().to_owned());
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
    watches().get(&place_of(engine)).map(|watch| watch.kept().to_vec()).unwrap_or_default()
}

/// Hands a lease's lock to the guardian as well. The number is for [`leave`].
pub(super) fn hold(
    engine: &Engine,
    kind: Kind,
    value: &str,
    linger: Duration,
    file: &Arc<UnsharedFd>,
) -> Option<u32> {
    let mut watches = watches();
    let watch = watches.get_mut(&place_of(engine))?;
    let linger = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
    let value = value.to_owned();
    Some(watch.hold(Held { kind, value, linger, file: file.clone(), creates: (0, 0) }))
}

/// A lease is held no more.
pub(super) fn leave(engine: &Engine, number: u32) {
    if let Some(watch) = watches().get_mut(&place_of(engine)) {
        watch.leave(number);
    }
}

/// A build that makes images on its way: should this process end before this is dropped, the guardian
/// removes those that nothing has come of.
#[derive(Debug)]
pub(crate) struct Scraps {
    engine: Engine,
    number: u32,
    process: Process,
}

impl Scraps {
    pub(crate) async fn watch(engine: &Engine) -> Scraps {
        arm(engine).await;
        let mut watches = watches();
        let number = watches.get_mut(&place_of(engine)).map_or(0, Watch::build);
        Scraps { engine: engine.clone(), number, process: Process::current() }
    }

    /// Whether it is of a process that this one was forked from.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    /// A step has made an image.
    pub(crate) fn made(&self, image: &StepImage) {
        let parent = image.parent.as_deref().unwrap_or_default();
        let text = format!("{}:{parent}", image.id);
        if let Some(watch) = watches().get_mut(&place_of(&self.engine)) {
            watch.scrap(self.number, &text);
        }
    }
}

impl Drop for Scraps {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        if let Some(watch) = watches().get_mut(&place_of(&self.engine)) {
            watch.built(self.number);
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
    /// a return from `main` and `process::exit` wait until it is through, at most 30 s, and what is
    /// shared does not linger. Where the container is killed, it is the next session's sweep that
    /// removes: in any container of the same engine, or with the same `CASTOFF_STATE_DIR`.
    ///
    /// Three things are left to the sweep of the next session: of
    /// resources that live on (`keep()`), those of a kind beyond 190,000; of shared ones, those
    /// beyond 4,096 or beyond what the hard limit of open files (`ulimit -Hn`) lets the guardian
    /// hold; and what the engine makes of a create call more than two minutes after the end of the
    /// process that sent it. The first two are warned of (`tracing`).
    Guardian,
    /// No guardian could be started, which is tried again with the next resource: the sweep of the next session on this host. Dropping a
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
        match (watch.is_guarded() || watch.rests(), watch.is_locked()) {
            (true, _) => Reaper::Guardian,
            (false, true) => Reaper::Sweep,
            (false, false) => Reaper::Nobody,
        }
    }
}

/// The process ends, and all is well: nothing is kept for a look.
pub(super) fn all_is_well() {
    // At the end of the process another thread may hold it for ever.
    let Ok(mut watches) = WATCHES.here().try_lock() else { return };
    for watch in watches.values_mut() {
        watch.all_is_well();
    }
}

/// The process ends, and its guardians may end with it: they act now. Each of them ends when all is
/// removed.
pub(super) fn act_now() -> Vec<Guardian> {
    let mut watches = watches();
    let at_risk = |watch: &&mut Watch| watch.may_end_as_a_whole();
    watches.values_mut().filter(at_risk).filter_map(Watch::act_now).collect()
}

fn watches() -> MutexGuard<'static, Watches> {
    WATCHES.here().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the guardian finds the engine. A name is looked up now: the child can't.
async fn resolve(engine: &Engine) -> Option<Address> {
    let found = match engine.endpoint() {
        Endpoint::Unix(socket) => Address::unix(socket),
        Endpoint::Tcp { host, port } => {
            // The address that answers, of those that the name has.
            let connected = tokio::net::TcpStream::connect((host.as_str(), *port)).await;
            connected.and_then(|stream| stream.peer_addr()).map(Address::tcp)
        }
    };
    let found = found.map(|address| address.of_podman(engine.is_podman()));
    found.map_err(|error| tracing::warn!(%error, "no guardian can reach the engine")).ok()
}

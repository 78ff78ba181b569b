//! [`Owner`]: the owner of everything that this process creates on one engine.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::guardian::{Address, Guardian};
use super::kind::Kind;
use super::session::Session;
use super::vigil::Guarded;
use super::watch::{Held, Surroundings, Watch};
use super::{ending, keep_policy};
use crate::config::KeepPolicy;
use crate::engine::{Client, Endpoint};
use crate::forks::{PerProcess, Process, UnsharedFd};

/// The owners of this process. They stay until its end, even when the last guard is gone: the
/// guardian and sweeps must know the kept resources for as long as the process lives, and the
/// session's lock can't be taken again while the guardian still holds it.
static OWNERS: PerProcess<Mutex<HashMap<Key, Arc<Owner>>>> = PerProcess::new();

/// The identity of an engine, by whatever path it is reached, and a state directory.
type Key = (String, Option<PathBuf>);

/// The session lock, the guardian, and the created, shared and kept resources of this process on
/// one engine under one state directory. All connections to that engine have the same owner.
///
/// In a forked child it does nothing: the child has owners of its own.
pub(crate) struct Owner {
    /// `None` until something needs it, and always if the reaper is turned off.
    watch: Mutex<Option<Watch>>,
    swept: OnceCell<()>,
    process: Process,
}

impl Owner {
    /// Returns the owner for an engine, created by the first call.
    pub(crate) fn of(engine: &Client) -> Arc<Owner> {
        let key = (engine.identity().to_owned(), engine.config().state_dir.clone());
        owners().entry(key).or_insert_with(|| Arc::new(Owner::new())).clone()
    }

    fn new() -> Owner {
        Owner { watch: Mutex::default(), swept: OnceCell::new(), process: Process::current() }
    }

    /// Returns the process that this owner belongs to.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Returns the cell that is set once the sweep before the first resource is over.
    pub(super) fn swept(&self) -> &OnceCell<()> {
        &self.swept
    }

    /// Starts the guardian if there is none. Returns whether there is one.
    ///
    /// There is none if the reaper is turned off. If the fork fails, dropping waits for removals
    /// instead, and the next session's sweep goes by the session's lock file; the next resource
    /// tries again.
    pub(super) async fn ensure_guardian(self: &Arc<Self>, engine: &Client) -> bool {
        if !engine.config().reaper {
            return false;
        }
        if let Some(stands) = self.is_guarded_already() {
            return stands;
        }
        let address = resolve(engine).await;
        // Another thread may have started one meanwhile.
        if let Some(stands) = self.is_guarded_already() {
            return stands;
        }
        self.begin(Surroundings {
            engine: engine.identity(),
            config: engine.config(),
            address,
            may_end_as_a_whole: engine.test_host().may_end_as_a_whole(),
        })
    }

    fn is_guarded_already(&self) -> Option<bool> {
        let mut place = self.lock()?;
        place.as_mut().filter(|watch| !watch.is_void()).map(Watch::ensure_guardian)
    }

    /// Creates the watch unless there is a usable one. Returns whether there is a guardian.
    fn begin(self: &Arc<Self>, surroundings: Surroundings<'_>) -> bool {
        let Some(mut place) = self.lock() else { return false };
        if let Some(watch) = place.as_mut().filter(|watch| !watch.is_void()) {
            return watch.ensure_guardian();
        }
        if surroundings.config.keep == KeepPolicy::OnFailure {
            keep_policy::note_panics();
            ending::tell_of_success(all_is_well);
        }
        if surroundings.may_end_as_a_whole {
            ending::finish_before_it(act_now);
        }
        // The old watch releases its lock before the new one takes it.
        *place = None;
        let guarded = Arc::downgrade(self);
        let watch = place.insert(Watch::begin(guarded, surroundings));
        watch.is_guarded()
    }

    /// Counts a resource; [`owns_one_less`](Self::owns_one_less) must follow when it is gone.
    /// Returns whether there is a guardian.
    pub(super) fn owns_one_more(&self) -> bool {
        self.with(Watch::owns_one_more).unwrap_or(false)
    }

    /// Counts off a resource that is gone, or was never created.
    pub(super) fn owns_one_less(&self) {
        self.with(Watch::owns_one_less);
    }

    /// Notes that a create call is about to be sent, or was answered.
    pub(super) fn creating(&self, began: bool) {
        self.with(|watch| watch.creating(began));
    }

    /// Notes the same for a lease: the number of calls without an answer, and of resources that may
    /// exist.
    pub(super) fn creating_for(&self, number: u32, under_way: usize, made: usize) {
        self.with(|watch| watch.creating_for(number, under_way, made));
    }

    /// Returns the value of the owner label for resources of this process.
    pub(super) fn label_value(&self) -> String {
        let value = self.with(|watch| watch.owner().to_owned());
        value.unwrap_or_else(|| Session::current().owner(None))
    }

    /// Exempts a resource from removal from now on.
    pub(super) fn keep(&self, kind: Kind, id: &str) {
        self.with(|watch| watch.keep(kind, id));
    }

    /// Returns the resources that this process has kept.
    pub(super) fn kept(&self) -> Vec<(Kind, String)> {
        self.with(|watch| watch.kept().to_vec()).unwrap_or_default()
    }

    /// Hands a lease's lock to the guardian as well. Returns the number for [`leave`](Self::leave).
    pub(super) fn hold(
        &self,
        kind: Kind,
        value: &str,
        linger: Duration,
        file: &Arc<UnsharedFd>,
    ) -> Option<u32> {
        let linger = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
        let (value, file) = (value.to_owned(), file.clone());
        self.with(|watch| watch.hold(Held { kind, value, linger, file, creates: (0, 0) }))
    }

    /// Releases a lease.
    pub(super) fn leave(&self, number: u32) {
        self.with(|watch| watch.leave(number));
    }

    /// Begins a build that makes intermediate images. Returns its number.
    pub(super) fn begin_build(&self) -> u32 {
        self.with(Watch::begin_build).unwrap_or(0)
    }

    /// Notes an intermediate image of a build.
    pub(super) fn note_image(&self, build: u32, image: &str) {
        self.with(|watch| watch.note_image(build, image));
    }

    /// Forgets a build and its intermediate images.
    pub(super) fn end_build(&self, build: u32) {
        self.with(|watch| watch.end_build(build));
    }

    /// Returns the reaper of this process, or, without a watch, the one to expect if it `is_on`.
    pub(crate) fn reaper(&self, is_on: bool) -> Reaper {
        let reaper =
            self.with(|watch| match (watch.is_guarded() || watch.rests(), watch.is_locked()) {
                (true, _) => Reaper::Guardian,
                (false, true) => Reaper::Sweep,
                (false, false) => Reaper::Off,
            });
        reaper.unwrap_or(if is_on { Reaper::Guardian } else { Reaper::Off })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Watch) -> T) -> Option<T> {
        self.lock()?.as_mut().map(work)
    }

    /// Locks the watch, but not in a forked child: a thread of the parent may have held the lock.
    fn lock(&self) -> Option<MutexGuard<'_, Option<Watch>>> {
        let is_here = self.process.is_current();
        is_here.then(|| self.watch.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Guarded for Owner {
    fn replace(&self) -> Option<Duration> {
        self.with(Watch::replace).flatten()
    }

    fn rest(&self) -> Option<Duration> {
        self.with(Watch::rest).flatten()
    }

    fn catch_up(&self) -> bool {
        self.with(Watch::catch_up).unwrap_or(false)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("process", &self.process).finish_non_exhaustive()
    }
}

fn owners() -> MutexGuard<'static, HashMap<Key, Arc<Owner>>> {
    OWNERS.here().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the guardians that the process ends with success: nothing is kept for inspection.
fn all_is_well() {
    if keep_policy::has_panicked() {
        return;
    }
    // At the end of the process another thread may hold a lock forever.
    let Ok(owners) = OWNERS.here().try_lock() else { return };
    for owner in owners.values() {
        if let Ok(Some(watch)) = owner.watch.try_lock().as_deref_mut() {
            watch.all_is_well();
        }
    }
}

/// Lets those guardians act that may end with the process. Each of them ends when everything is
/// removed.
fn act_now() -> Vec<Guardian> {
    let owners: Vec<_> = owners().values().cloned().collect();
    let at_risk = |watch: &mut Watch| {
        if watch.may_end_as_a_whole() { watch.act_now() } else { None }
    };
    owners.iter().filter_map(|owner| owner.with(at_risk).flatten()).collect()
}

/// Returns the address for the guardian. A host name is resolved now: the child can't.
async fn resolve(engine: &Client) -> Option<Address> {
    let found = match engine.endpoint() {
        Endpoint::Unix(socket) => Address::unix(socket),
        Endpoint::Tcp { host, port } => {
            // Of the host's addresses, the one that answers.
            let connected = tokio::net::TcpStream::connect((host.as_str(), *port)).await;
            connected.and_then(|stream| stream.peer_addr()).map(Address::tcp)
        }
    };
    let found = found.map(|address| address.of_podman(engine.is_podman()));
    found.map_err(|error| tracing::warn!(%error, "no guardian can reach the engine")).ok()
}

/// The remover of the resources of a process that ends without removing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaper {
    /// The guardian, within a second.
    ///
    /// In a container or a PID namespace of its own, the guardian ends with the first process.
    /// There, a return from `main` and `process::exit` wait until it is done, at most 30 s, and
    /// shared resources do not linger. If the container is killed, the next session's sweep removes
    /// the resources: in any container of the same engine, or with the same `CASTOFF_STATE_DIR`.
    ///
    /// Three things are left to the sweep of the next session: all resources of each kind of which
    /// one was kept (`keep()`) after 190,000 resources; shared ones beyond 4,096, or beyond the
    /// number of files that the guardian may hold open (`ulimit -Hn`); and resources that the
    /// engine creates more than two minutes after the end of the process that asked for them. For
    /// the first two there is a warning (`tracing`).
    Guardian,
    /// The sweep of the next session on this host. No guardian could be started, which is tried
    /// again with the next resource. Dropping a handle waits for the removal, at most 10 s.
    Sweep,
    /// No reaper: it is turned off (`CASTOFF_REAPER=off`), or neither a guardian could be started
    /// nor a lock for sweeps taken. Dropping a handle waits for the removal, at most 10 s.
    Off,
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Instant;

    use super::super::session_lock::SessionLock;
    use super::*;
    use crate::config::Config;

    const ENGINE: &str = "0123456789abcdef";

    fn config(state_dir: &Path) -> Config {
        Config { state_dir: Some(state_dir.to_owned()), ..Config::default() }
    }

    /// Returns an owner for this test alone, with a guardian.
    fn begun(config: &Config, socket: &Path) -> Arc<Owner> {
        let (owner, address) = (Arc::new(Owner::new()), Address::unix(socket).ok());
        let around = Surroundings { engine: ENGINE, config, address, may_end_as_a_whole: false };
        assert!(owner.begin(around));
        assert_eq!(owner.reaper(true), Reaper::Guardian);
        owner
    }

    fn noted(state_dir: &Path) -> String {
        let mut files = std::fs::read_dir(state_dir.join("castoff/sessions")).unwrap();
        let text = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
        assert!(files.next().is_none());
        text
    }

    #[test]
    fn owners_of_two_state_directories_have_nothing_in_common() {
        let home = tempfile::tempdir().unwrap();
        let [socket, here, there] = ["socket", "here", "there"].map(|name| home.path().join(name));
        let _listener = UnixListener::bind(&socket).unwrap();
        let [one, two] = [&here, &there].map(|dir| begun(&config(dir), &socket));
        assert_ne!(one.label_value(), two.label_value());
        assert!(one.owns_one_more());
        one.keep(Kind::Volume, "v");
        assert_eq!((one.kept().len(), two.kept().len()), (1, 0));
        assert!(noted(&here).ends_with("keep volume v\n") && noted(&there).is_empty());
        one.owns_one_less();
    }

    #[test]
    fn an_owner_that_is_dropped_has_its_guardian_end() {
        let home = tempfile::tempdir().unwrap();
        let (config, socket) = (config(home.path()), home.path().join("socket"));
        let _listener = UnixListener::bind(&socket).unwrap();
        let owner = begun(&config, &socket);
        assert!(owner.owns_one_more());
        owner.owns_one_less();
        SessionLock::take(&config, ENGINE).unwrap_err();
        drop(owner);
        // The guardian holds the same lock.
        let end = Instant::now() + Duration::from_secs(10);
        while SessionLock::take(&config, ENGINE).is_err() {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
    }
}

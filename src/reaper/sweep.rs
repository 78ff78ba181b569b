//! The sweep: what sessions of this host left that were killed together with their guardian.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, oneshot};

use super::host::Orphans;
use super::kind::Kind;
use super::lease::on_thread;
use super::lease_file::{self, DeadLease};
use super::ours::ours;
use super::removal;
use super::session::Session;
use super::session_lock::{self, Left, PART, read_name};
use super::state_dir::{self, StateDir};
use super::swept::{Outcome, Swept, remove_all, within};
use super::watch_over;
use super::worker::Worker;
use crate::config::Config;
use crate::engine::{Engine, Labelled};
use crate::error::{Error, Result};
use crate::forks::{PerProcess, UnsharedFd};
use crate::spec::label;

/// Removes what dead sessions of this host left on the engine that [`Engine::connect`] gives: see
/// [`Engine::sweep`].
///
/// # Errors
/// As for [`Engine::connect`] and [`Engine::sweep`].
///
/// # Cancel safety
/// What was begun goes on when the future is dropped.
pub async fn sweep() -> Result<Swept> {
    Engine::connect().await?.sweep().await
}

impl Engine {
    /// Removes what dead sessions of this host left here. Every process does so by itself before
    /// its first resource; a program that runs for long may want it now and then.
    ///
    /// A session is dead when neither its process nor its guardian holds its lock (flock(2)).
    /// What another host, a living process, or a user of something shared has is not touched, nor
    /// what was kept. Nothing is asked of the engine when no session left anything.
    ///
    /// # Errors
    /// When the state directory can't be used, or the engine can't be asked or does not remove.
    ///
    /// # Cancel safety
    /// What was begun goes on when the future is dropped.
    pub async fn sweep(&self) -> Result<Swept> {
        let engine = self.clone();
        let sweeping = async move {
            let found = Found::look(&engine).await?;
            let again = found.is_to_be_looked_at_again();
            let swept = found.remove().await;
            if let (true, Some(worker)) = (again, Worker::current()) {
                worker.submit(look_again(engine));
            }
            swept
        };
        Worker::start()?.run(sweeping).await?
    }

    /// Removes what was kept on this host: by `keep()`, and by `CASTOFF_KEEP`.
    ///
    /// That is everything with castoff's labels whose process is gone, what living processes of
    /// this host say that they have kept, and shared resources that were kept and are in nobody's
    /// use.
    ///
    /// # Errors
    /// When the state directory can't be used, or the engine can't be asked or does not remove.
    ///
    /// # Cancel safety
    /// What was begun goes on when the future is dropped.
    pub async fn prune_kept(&self) -> Result<Swept> {
        let engine = self.clone();
        let pruning = async move {
            // Listed first: whoever has something by then has a lock, and is seen to live.
            let everything = list_all(&engine).await?;
            let (sessions, leases) = blocking(&engine, kept_here).await?;
            let orphans = Orphans::find(&engine, &everything).await?.kept;
            let own = watch_over::kept(&engine);
            let here = format!("{}.", state_dir::place(engine.config())?);
            let is_kept = |kind, found: &Labelled| {
                let mut owners = [label::OWNER, label::KEPT]
                    .into_iter()
                    .filter_map(|key| owner(kind, key, found));
                let Some(owner) = owners.next().filter(|owner| owner.starts_with(&here)) else {
                    return false;
                };
                let session = sessions.iter().find(|(token, _)| owner.ends_with(token));
                let noted = own.iter().any(|(k, id)| (*k, id) == (kind, &found.id));
                noted || session.is_none_or(|(_, left)| left.keeps(kind, &found.id))
            };
            let wanted = everything.into_iter().filter(|(kind, found)| is_kept(*kind, found));
            let wanted = ours(&engine, wanted.collect()).await?.into_iter();
            let wanted = wanted.map(|(kind, found)| (kind, found.id)).collect();
            let mut all = remove_all(&engine, wanted).await;
            all.add(remove_all(&engine, orphans).await);
            for lease in leases {
                all.add(lease.remove(&engine).await);
            }
            all.result()
        };
        Worker::start()?.run(pruning).await?
    }
}

/// What the dead have left.
struct Found {
    engine: Engine,
    sessions: Vec<DeadSession>,
    leases: Vec<DeadLease>,
    /// What programs in containers left that are gone.
    orphans: Vec<(Kind, String)>,
    /// Whether other processes sweep as well, and may end before they are through.
    others_sweep: bool,
}

/// Its lock is held until it is dealt with, so that others leave it alone.
struct DeadSession {
    token: String,
    name: String,
    left: Left,
    file: UnsharedFd,
    resources: Vec<(Kind, String)>,
}

/// How long a start waits for the lists of an engine.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How long it is to the second look, and at most from each to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long an engine may take for a list.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// Sweeps before the first resource of this process on an engine. Waits until it is known what
/// there is to remove, but not for long; the removals then count as on their way, and a start that
/// one of them is in the way of waits for it.
pub(super) async fn at_start(engine: &Engine) {
    type Started = HashMap<(String, Option<PathBuf>), Arc<OnceCell<()>>>;
    static STARTED: PerProcess<Mutex<Started>> = PerProcess::new();
    let started = {
        let mut all = STARTED.here().lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(watch_over::place_of(engine)).or_default().clone()
    };
    let sweep = async {
        let Ok(worker) = Worker::start() else { return };
        let (looking, known) = oneshot::channel();
        worker.submit(look_and_remove(engine.clone(), looking));
        // An error says the same: the other end is gone, as nothing is waited for any more.
        let _ = known.await;
    };
    started.get_or_init(|| sweep).await;
}

/// Closes the channel when it is known what is to be removed, or when that takes too long.
async fn look_and_remove(engine: Engine, looking: oneshot::Sender<()>) {
    let looked_at = engine.clone();
    let mut look = std::pin::pin!(Found::look(&looked_at));
    let (found, looking) = match tokio::time::timeout(LOOK_LIMIT, look.as_mut()).await {
        Ok(found) => (found, Some(looking)),
        Err(_) => {
            tracing::warn!("the engine takes long to list: the sweep goes on in the background");
            drop(looking);
            (look.await, None)
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(?error, "what dead sessions left is not swept");
            return;
        }
    };
    let mut again = found.is_to_be_looked_at_again();
    let worker = Worker::current().filter(|_| !found.is_empty());
    let removal = worker.map(|worker| {
        worker.remove(engine.endpoint(), async move {
            let swept = found.remove().await?;
            tracing::info!(?swept, "what dead sessions left is removed");
            Ok(())
        })
    });
    drop(looking);
    if let Some(removal) = removal
        && let Ok(Err(error)) = removal.await
    {
        tracing::warn!(?error, "not all that dead sessions left is removed");
        again = true;
    }
    if again {
        look_again(engine).await;
    }
}

/// Looks for what the engine makes late of calls that the dead have sent, for what another sweep has
/// begun with and not ended, and for what could not be removed: until nothing of these is left, or
/// this process ends. An engine tells of nothing that is made from whose labels one could
/// hear without listening to everything, so this asks, less and less often.
async fn look_again(engine: Engine) {
    let mut pause = FIRST_PAUSE;
    let began = Instant::now();
    while began.elapsed() < session_lock::FRESH {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // An engine that is away may be back at the next look.
        let Ok(found) = Found::look(&engine).await else { continue };
        let mut again = found.is_to_be_looked_at_again();
        if let Err(error) = found.remove().await {
            tracing::warn!(?error, "not all that dead sessions left is removed");
            again = true;
        }
        if !again {
            return;
        }
    }
}

impl Found {
    async fn look(engine: &Engine) -> Result<Found> {
        let Dead { mut sessions, leases, others_sweep } = blocking(engine, dead).await?;
        let mut orphans = Vec::new();
        // Of programs in containers, nothing but their labels may be left to tell.
        if !sessions.is_empty() || engine.test_host().container().is_some() {
            let everything = list_all(engine).await?;
            orphans = Orphans::find(engine, &everything).await?.left;
            let whose = |sessions: &[DeadSession], kind, found: &Labelled| {
                let owner = owner(kind, label::OWNER, found)?;
                sessions.iter().position(|one| owner.ends_with(&one.token))
            };
            let left = everything.into_iter();
            let left = left.filter(|(kind, found)| whose(&sessions, *kind, found).is_some());
            for (kind, found) in ours(engine, left.collect()).await? {
                let Some(session) = whose(&sessions, kind, &found) else { continue };
                let session = &mut sessions[session];
                if !session.left.keeps(kind, &found.id) {
                    session.resources.push((kind, found.id));
                }
            }
        }
        Ok(Found { engine: engine.clone(), sessions, leases, orphans, others_sweep })
    }

    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.leases.is_empty() && self.orphans.is_empty()
    }

    /// Whether the engine may yet make something of a call that one of the dead has sent, or another
    /// sweep end halfway. A container that ended left no note of its calls: what comes of them is
    /// looked for where it left anything.
    fn is_to_be_looked_at_again(&self) -> bool {
        self.others_sweep
            || !self.orphans.is_empty()
            || self.sessions.iter().any(|one| one.left.may_come_yet())
            || self.leases.iter().any(DeadLease::may_come_yet)
    }

    /// Removes everything that can be, whatever fails: what one session or lease has left must not
    /// be in the way of the others. The error is the last one.
    async fn remove(self) -> Result<Swept> {
        let dir = StateDir::open(self.engine.config(), PART);
        let sessions = self.sessions.into_iter().map(|session| {
            let (engine, dir) = (&self.engine, dir.as_ref().ok());
            async move {
                let outcome = remove_all(engine, session.resources).await;
                // What is left of it, or comes yet, is for the next sweep.
                let dir = dir.filter(|_| !session.left.may_come_yet());
                if let (None, Some(dir)) = (&outcome.error, dir) {
                    dir.remove(&session.name);
                }
                drop(session.file);
                outcome
            }
        });
        let leases = async {
            let mut all = Outcome::default();
            // One after the other: containers come before the networks that they are in.
            for lease in self.leases {
                all.add(lease.remove(&self.engine).await);
            }
            all
        };
        let orphans = remove_all(&self.engine, self.orphans);
        let sessions = futures_util::future::join_all(sessions);
        let all = futures_util::future::join3(sessions, orphans, leases);
        let (sessions, orphans, mut all) = all.await;
        sessions.into_iter().chain([orphans]).for_each(|outcome| all.add(outcome));
        all.result()
    }
}

/// On a thread of its own where it may block: tokio panics where no thread can be had.
async fn blocking<T: Send + 'static>(
    engine: &Engine,
    look: fn(&Config, &str) -> Result<T>,
) -> Result<T> {
    let engine = engine.clone();
    on_thread(move || look(engine.config(), engine.identity())).await
}

/// The sessions and leases that nobody holds any more, and that left something on this engine.
struct Dead {
    sessions: Vec<DeadSession>,
    leases: Vec<DeadLease>,
    /// Whether another process sweeps some that are not among these.
    others_sweep: bool,
}

/// Finds the dead of this engine. Those that left nothing anywhere are forgotten on the way.
fn dead(config: &Config, engine: &str) -> Result<Dead> {
    let dir = StateDir::open(config, PART)?;
    let (mut sessions, mut others_sweep) = (Vec::new(), false);
    for name in dir.names()? {
        let Some((place, token)) = read_name(&name) else { continue };
        // Its own, which this process may have locked under another descriptor.
        if token == Session::current().token() {
            continue;
        }
        // What is strange about one file is no reason to leave all the others.
        let Ok(locked) = dir.lock(&name) else { continue };
        let Some(file) = locked else {
            let left = dir.read(&name).and_then(|file| Ok(Left::read(&file)?));
            others_sweep |= place == engine && left.is_ok_and(|left| left.swept);
            continue;
        };
        let Ok(left) = Left::read(&file) else { continue };
        if !left.any || left.hold {
            dir.remove(&name);
        } else if place == engine {
            if !left.swept {
                // On a full disk, nobody is told.
                let _ = session_lock::note_sweep(&file);
            }
            // (What is left on another engine stays noted, however long nobody uses that.)
            let (token, resources) = (format!(".{token}"), Vec::new());
            sessions.push(DeadSession { token, name, left, file, resources });
        }
    }
    Ok(Dead { sessions, leases: lease_file::dead(config, engine, false)?, others_sweep })
}

/// The sessions of this host that live, with what they have noted, and the shared resources that
/// were kept and that nobody uses.
type KeptHere = (Vec<(String, Left)>, Vec<DeadLease>);

fn kept_here(config: &Config, engine: &str) -> Result<KeptHere> {
    let dir = StateDir::open(config, PART)?;
    let mut sessions = Vec::new();
    for name in dir.names()? {
        let Some((_, token)) = read_name(&name) else { continue };
        // What can't be judged, as a directory of such a name, counts as one that lives.
        if !matches!(dir.lock(&name), Ok(Some(_))) {
            let left = dir.read(&name).and_then(|file| Ok(Left::read(&file)?));
            sessions.push((format!(".{token}"), left.unwrap_or_default()));
        }
    }
    Ok((sessions, lease_file::dead(config, engine, true)?))
}

fn owner<'a>(kind: Kind, key: &str, found: &'a Labelled) -> Option<&'a str> {
    found.labels.get(&kind.label_key(key)).map(String::as_str)
}

/// Everything of castoff's: one call for each kind, at the same time.
async fn list_all(engine: &Engine) -> Result<Vec<(Kind, Labelled)>> {
    let list = |kind| async move {
        let key = kind.label_key(label::SESSION);
        let found = within(LIST_LIMIT, "list", removal::list(engine, kind, &key)).await?;
        Ok::<_, Error>(found.into_iter().map(move |found| (kind, found)))
    };
    let lists = futures_util::future::join_all(Kind::ALL.map(list)).await;
    let lists: Vec<_> = lists.into_iter().collect::<Result<_>>()?;
    Ok(lists.into_iter().flatten().collect())
}

impl DeadLease {
    /// Removes what was shared, and then the lease.
    async fn remove(self, engine: &Engine) -> Outcome {
        let label = self.label();
        let found = removal::list(engine, self.kind, &label);
        let found = match within(LIST_LIMIT, "list", found).await {
            Ok(found) => found,
            Err(error) => return error.into(),
        };
        let found = found.into_iter().map(|found| (self.kind, found)).collect();
        let found = match within(LIST_LIMIT, "list", ours(engine, found)).await {
            Ok(found) => found,
            Err(error) => return error.into(),
        };
        let wanted = found.into_iter().map(|(kind, found)| (kind, found.id)).collect();
        let outcome = remove_all(engine, wanted).await;
        // What comes yet is for the next look, or the next sweep.
        if outcome.error.is_none() && !self.may_come_yet() {
            self.forget();
        }
        outcome
    }
}

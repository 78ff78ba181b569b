//! [`Lease`]: one resource for many threads and processes, the last of which removes it.
//!
//! For each resource there is a file in the state directory, locked by flock(2). The maker of the
//! resource holds the exclusive lock and is alone until the resource is ready; each user holds a
//! shared lock, as the user's guardian does. The last one to release it gets the exclusive lock
//! again, and only then removes the resource. The kernel releases the locks, however a process
//! ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, Timespec, Timestamps};

use super::dead_lease::note_late;
use super::guardian::state;
use super::kind::Kind;
use super::lease_file::{LeaseRecord, PART, SharedResource, is_kept};
use super::on_thread::on_thread;
use super::owner::Owner;
use super::removal;
use super::session_lock::replace;
use super::state_dir::StateDir;
use super::waiting::acquire;
use super::worker::Worker;
use crate::config::KeepPolicy;
use crate::engine::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;
use crate::random;
use crate::spec::label;

/// The outcome of [`Lease::take`].
#[derive(Debug)]
pub(crate) enum Acquired {
    /// The resource is ready, and stays as long as the lease is held.
    Ready(Arc<Lease>, SharedResource),
    /// The resource is to be made by this process, and all others wait meanwhile.
    Vacant(Arc<Lease>),
}

/// The place of a process among the users of a shared resource, or the place of its maker.
#[derive(Debug)]
pub(crate) struct Lease {
    engine: Client,
    owner: Arc<Owner>,
    kind: Kind,
    dir: StateDir,
    name: String,
    file: Arc<UnsharedFd>,
    /// The value of the label: the key of the lease, and a random part.
    value: String,
    phase: Mutex<Phase>,
    /// The number of resources that were made for it and are not known to be gone.
    made: AtomicUsize,
    /// The number of create calls that the engine has not answered.
    under_way: AtomicUsize,
    guardian: OnceLock<u32>,
}

/// Pauses in seconds before each search for what a dead process's call makes: two minutes in all.
const LATE_LOOKS: [u64; 7] = [0, 2, 5, 10, 20, 30, 40];

/// How often the maker of a resource shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Limit for a maker's silence if its resource starts at once, and so has no limit of its own.
pub(crate) const SHARE_LIMIT: Duration = Duration::from_secs(60);

/// The shortest limit for a maker's silence.
const SILENCE: Duration = Duration::from_secs(10);

/// The state of a lease in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// This process makes what the lease is for.
    Making,
    /// The resource is ready, and this process uses it.
    Held,
    /// This process has released it, or others may remove the resource by now.
    Left,
    /// The resource could not be removed, and the guardian is to try again.
    Failed,
}

impl Lease {
    /// Returns when the resource is ready, or when it is this process's turn to make it. Waits for
    /// another maker as long as that shows a sign of life within `limit` (at least ten seconds).
    ///
    /// # Cancel safety
    /// A lock that arrives after the future was dropped is released at once.
    pub(crate) async fn take(
        engine: &Client,
        owner: &Arc<Owner>,
        kind: Kind,
        key: &str,
        limit: Duration,
    ) -> Result<Acquired> {
        let told = |error: Error| error.at("share");
        let name = format!("{}-{}-{key}", engine.identity(), kind.letter());
        let had = acquire(engine.config(), &name, limit.max(SILENCE)).await;
        let (dir, file, note) = had.map_err(told)?;
        let ready = matches!(note, LeaseRecord::Ready(..));
        if let LeaseRecord::Making(value) = &note {
            // The maker and its guardian are gone: nobody else has the lock.
            remove_remains(engine, kind, &dir, &name, value).await.map_err(told)?;
        }
        let (value, made) = match note {
            LeaseRecord::Ready(value, made) => (value, Some(made)),
            LeaseRecord::Making(_) | LeaseRecord::Nothing => {
                (format!("{key}-{}", random::token()), None)
            }
        };
        let lease = Lease {
            engine: engine.clone(),
            owner: owner.clone(),
            kind,
            dir,
            name,
            file: Arc::new(file),
            value,
            phase: Mutex::new(if ready { Phase::Held } else { Phase::Making }),
            made: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            guardian: OnceLock::new(),
        };
        if !ready {
            let pid = std::process::id();
            lease.write(&format!("making {} {pid}\n", lease.value)).map_err(told)?;
        }
        lease.tell_guardian();
        let lease = Arc::new(lease);
        Ok(match made {
            Some(made) => Acquired::Ready(lease, made),
            None => {
                lease.show_life()?;
                Acquired::Vacant(lease)
            }
        })
    }

    /// Touches the file while the resource is being made, which shows those who wait that this
    /// process is not stopped, however long it takes.
    fn show_life(self: &Arc<Lease>) -> Result<()> {
        let lease = Arc::downgrade(self);
        Worker::start()?.submit(async move {
            loop {
                tokio::time::sleep(SIGN_OF_LIFE).await;
                let Some(lease) = lease.upgrade() else { return };
                if lease.phase() != Phase::Making {
                    return;
                }
                let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
                let as_it_is = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
                let times = Timestamps { last_access: as_it_is, last_modification: now };
                let _ = rustix::fs::futimens(&*lease.file, &times);
            }
        });
        Ok(())
    }

    fn tell_guardian(&self) {
        let linger = self.engine.config().linger();
        let number = self.owner.hold(self.kind, &self.value, linger, &self.file);
        if let Some(number) = number {
            let _ = self.guardian.set(number);
        }
    }

    /// Returns the value of the label that the shared resource carries.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// Returns the name of the file, which is also the name of the shared resource.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Notes that a create call is about to be sent.
    pub(super) fn creating(&self) {
        self.made.fetch_add(1, Ordering::SeqCst);
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.tell_creates();
    }

    /// Notes that the engine has answered a create call.
    pub(super) fn answered(&self) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.tell_creates();
    }

    fn tell_creates(&self) {
        let [under_way, made] = [&self.under_way, &self.made].map(|n| n.load(Ordering::SeqCst));
        if let Some(number) = self.guardian.get() {
            self.owner.creating_for(*number, under_way, made);
        }
    }

    /// Notes that a resource that was made for the lease is gone, or was never created.
    pub(super) fn gone(&self) {
        self.made.fetch_sub(1, Ordering::SeqCst);
        self.tell_creates();
    }

    /// Notes that the resource is ready: everybody may use it, this process among them.
    pub(crate) fn ready(&self, made: &SharedResource) -> Result<()> {
        let told = |error: Error| error.at("share");
        let refused = |error| told(self.refused(error));
        let word = if self.engine.config().keep == KeepPolicy::Always { "kept" } else { "ready" };
        let SharedResource { id, name, waited } = made;
        self.write(&format!("{word} {} {id} {name} {waited}\n", self.value)).map_err(told)?;
        // From here on others may remove it, so this process must not empty the file any more.
        self.enter(Phase::Left);
        let shared = rustix::fs::flock(&*self.file, FlockOperation::NonBlockingLockShared);
        shared.map_err(refused)?;
        // Where the kernel converts a lock in two steps, somebody may have taken it in between, and
        // may even have removed the resource.
        if !LeaseRecord::read(&self.file)?.is_ready(&self.value) {
            return Err(told(Error::new(
                ErrorKind::Conflict,
                "it was removed while it was shared",
            )));
        }
        self.enter(Phase::Held);
        Ok(())
    }

    /// Gives up a resource that is gone or has stopped: the next user recreates it, and the last
    /// one that still uses this one removes what is left of it.
    pub(crate) async fn abandon(self: Arc<Self>) -> Result<()> {
        if rustix::fs::flock(&*self.file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let label = self.kind.label(label::SHARED, &self.value);
            removal::remove_labelled(&self.engine, self.kind, &label).await?;
            self.enter(Phase::Left);
            return self.write("");
        }
        // The failed attempt may have lost the shared lock.
        let shared = rustix::fs::flock(&*self.file, FlockOperation::NonBlockingLockShared);
        self.enter(Phase::Left);
        if shared.is_err() {
            return Ok(());
        }
        on_thread(move || self.dir.replace(&self.name, &self.file)).await
    }

    /// Keeps the resource, even when nobody uses it.
    pub(super) fn keep(&self) {
        let kept = rustix::io::pwrite(&*self.file, &[state::KEPT], 0);
        if let Err(error) = kept {
            tracing::warn!(%error, name = self.name, "what is shared could not be kept");
        }
    }

    /// Keeps a resource that never got ready. Nobody may join it, so it is recorded in a file of
    /// its own.
    pub(super) fn keep_half_made(&self, id: &str, name: &str) {
        let file = format!("{}.kept-{}", self.name, random::token());
        let text = format!("kept {} {id} {name} -\n", self.value);
        let kept = self.dir.lock(&file).and_then(|file| match file {
            Some(file) => Ok(replace(&file, text.as_bytes())?),
            None => Err(Error::other("a new file is locked")),
        });
        if let Err(error) = kept {
            tracing::warn!(?error, name, "what is kept can't be pruned");
        }
    }

    /// Releases the lease. Returns whether this was the last user, so that the resource is gone
    /// now.
    pub(super) async fn leave(self: Arc<Self>) -> Result<bool> {
        self.enter(Phase::Left);
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        if rustix::fs::flock(&*self.file, exclusive).is_err() {
            return Ok(false);
        }
        if !LeaseRecord::read(&self.file)?.is_ready(&self.value) || is_kept(&self.file) {
            return Ok(false);
        }
        let label = self.kind.label(label::SHARED, &self.value);
        let removed = removal::remove_labelled(&self.engine, self.kind, &label).await;
        if let Err(error) = removed {
            // The resource may still exist, and others may use it. The guardian, which has the same
            // lock, tries again when this process ends.
            let shared = FlockOperation::NonBlockingLockShared;
            if rustix::fs::flock(&*self.file, shared).is_ok() {
                self.enter(Phase::Failed);
            }
            return Err(error);
        }
        self.write("")?;
        Ok(true)
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Replaces the content of the file.
    fn write(&self, text: &str) -> Result<()> {
        replace(&self.file, text.as_bytes()).map_err(|error| {
            let full = error.kind() == std::io::ErrorKind::WriteZero;
            let errno = rustix::io::Errno::from_io_error(&error).filter(|_| !full);
            self.refused(errno.unwrap_or(rustix::io::Errno::NOSPC))
        })
    }

    fn refused(&self, error: rustix::io::Errno) -> Error {
        self.dir.refused(&self.name, error)
    }
}

/// Removes what a dead maker left under the value of a lease, and then, in the background, what the
/// engine still creates for its calls.
async fn remove_remains(
    engine: &Client,
    kind: Kind,
    dir: &StateDir,
    name: &str,
    value: &str,
) -> Result<()> {
    let label = kind.label(label::SHARED, value);
    removal::remove_labelled(engine, kind, &label).await?;
    // The engine may create it only after this process has ended.
    let late = note_late(dir, name, value);
    let late = late.inspect_err(|error| tracing::warn!(%error, "a sweep would not know"));
    let (engine, dir) = (engine.clone(), StateDir::open(engine.config(), PART)?);
    Worker::start()?.submit(async move {
        for pause in LATE_LOOKS {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            if let Err(error) = removal::remove_late(&engine, kind, &label).await {
                tracing::warn!(%error, label, "what a dead process's call makes may stay");
            }
        }
        if let Ok(late) = late {
            dir.remove(&late);
        }
    });
    Ok(())
}

impl Drop for Lease {
    fn drop(&mut self) {
        // All copies of a descriptor share one lock: unlocking here would release the parent's.
        if !self.owner.process().is_current() {
            return;
        }
        // Nothing was created: without a record, the next maker has nothing to list.
        let (phase, made) = (self.phase(), *self.made.get_mut());
        if phase == Phase::Making && made == 0 {
            let _ = self.write("");
        }
        if phase == Phase::Failed {
            return;
        }
        // Explicitly, since the guardian's copy of the descriptor has the same lock.
        let _ = rustix::fs::flock(&*self.file, FlockOperation::Unlock);
        if let Some(number) = self.guardian.get() {
            self.owner.leave(*number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::waiting::{Had, Look, look};
    use super::*;
    use crate::config::Config;

    fn had(config: &Config) -> Had {
        let mut attempts = 0;
        loop {
            match look(config, "a", attempts > 100).unwrap() {
                Look::Had(had) => return had,
                Look::Crowded => attempts += 1,
                Look::Held { .. } => {}
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_file_is_had_by_one_who_makes_or_many_who_use() {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let (dir, file, note) = had(&config);
        assert_eq!(note, LeaseRecord::Nothing);
        assert!(dir.flocked("a", FlockOperation::NonBlockingLockShared).unwrap().is_none());
        std::thread::scope(|threads| {
            let others: Vec<_> = (0..8).map(|_| threads.spawn(|| had(&config))).collect();
            rustix::io::pwrite(&file, b"ready k-g 1f n w\n", 0).unwrap();
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).unwrap();
            for other in others {
                assert!(matches!(other.join().unwrap().2, LeaseRecord::Ready(..)));
            }
        });
        // Only `file` still holds the lock, and the file doesn't say what for.
        rustix::fs::ftruncate(&file, 0).unwrap();
        let (_, anew, note) = had(&config);
        assert_eq!(note, LeaseRecord::Nothing);
        assert!(dir.is_there("a", &anew) && !dir.is_there("a", &file));
    }

    #[test]
    fn of_many_that_come_at_once_one_makes_it() {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let makers = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    let (_, file, note) = had(&config);
                    if note == LeaseRecord::Nothing {
                        makers.fetch_add(1, Ordering::SeqCst);
                        rustix::io::pwrite(&file, b"ready k-g 1f n w\n", 0).unwrap();
                        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).unwrap();
                    }
                });
            }
        });
        assert_eq!(makers.load(Ordering::SeqCst), 1);
    }
}

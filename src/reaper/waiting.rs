//! The wait for the lock of a lease: without a thread for each who waits, and not for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::lease_file::{LeaseRecord, PART, beside, maker};
use super::state_dir::StateDir;
use super::worker::Worker;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::{PerProcess, UnsharedFd};

/// The first pause between attempts to take a lock that somebody holds, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Limit for the times that acquiring may find a lease that is neither ready nor free.
const MAX_ACQUIRE_ROUNDS: u64 = 100;

/// A lease's directory, its locked file and its record. The lock is shared if the resource is
/// ready, and exclusive otherwise.
pub(super) type Had = (StateDir, UnsharedFd, LeaseRecord);

/// The outcome of one attempt to take a lease.
pub(super) enum Look {
    Had(Had),
    /// Others try as well; the last one to release the shared lock gets the exclusive one.
    Crowded,
    /// The resource is being made, by the process with this id if that is known.
    Held {
        sign: Sign,
        maker: Option<String>,
    },
}

/// The inode and modification time of a lease's file, which its maker updates as long as it runs.
type Sign = (u64, i64, i128);

/// The time since a maker's last sign of life.
#[derive(Debug)]
struct Silence {
    sign: Option<Sign>,
    since: Instant,
}

impl Silence {
    fn after(&mut self, sign: Sign) -> Duration {
        if self.sign != Some(sign) {
            (self.sign, self.since) = (Some(sign), Instant::now());
        }
        self.since.elapsed()
    }
}

type Queue = Arc<tokio::sync::Mutex<Silence>>;

/// Returns the queue for a file: one waiter of this process tries at a time, and the others follow.
fn queue(config: &Config, name: &str) -> Queue {
    type Queues = BTreeMap<String, Weak<tokio::sync::Mutex<Silence>>>;
    static QUEUES: PerProcess<Mutex<Queues>> = PerProcess::new();
    let key = format!("{name} {:?}", config.state_dir);
    let mut queues = QUEUES.here().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
        return queue;
    }
    queues.retain(|_, queue| queue.strong_count() > 0);
    let silence = Silence { sign: None, since: Instant::now() };
    let queue = Arc::new(tokio::sync::Mutex::new(silence));
    queues.insert(key, Arc::downgrade(&queue));
    queue
}

/// Waits until a lease is ready, or has to be made by this process. Gives up when its maker has
/// shown no sign of life for `limit`.
///
/// Never waits for the exclusive lock, which may not be free as long as there are users: an attempt
/// that does not get it starts over with the shared lock, which is free once the maker is done or
/// gone.
///
/// # Cancel safety
/// An acquired lock is released.
pub(super) async fn acquire(config: &Config, name: &str, limit: Duration) -> Result<Had> {
    let queue = queue(config, name);
    let mut silence = queue.lock().await;
    let (mut attempts, mut pause) = (0, FIRST_PAUSE);
    loop {
        let (config, file) = (config.clone(), name.to_owned());
        match blocking(move || look(&config, &file, attempts > MAX_ACQUIRE_ROUNDS)).await? {
            Look::Had(had) => return Ok(had),
            Look::Crowded => attempts += 1,
            Look::Held { sign, maker } => {
                if silence.after(sign) > limit {
                    return Err(silent(maker, limit));
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 3 / 2);
    }
}

fn silent(maker: Option<String>, limit: Duration) -> Error {
    let who = maker.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let message = format!("{who} makes it, and has shown no sign of life for {limit:?}");
    Error::new(ErrorKind::Timeout, message)
        .with_hint("is that process stopped? When it goes on or ends, this can be tried again")
}

/// Opens a lease's file and takes its lock, if that is possible without waiting.
pub(super) fn look(config: &Config, name: &str, crowded: bool) -> Result<Look> {
    let dir = StateDir::open(config, PART)?;
    let Some(file) = dir.flocked(name, FlockOperation::NonBlockingLockShared)? else {
        return Ok(held(&dir, name));
    };
    let note = LeaseRecord::read(&file)?;
    if matches!(note, LeaseRecord::Ready(..)) {
        return Ok(Look::Had((dir, file, note)));
    }
    // Of several that try at once, the last one to release the shared lock gets it.
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        let note = LeaseRecord::read(&file)?;
        if dir.is_there(name, &file) && !matches!(note, LeaseRecord::Ready(..)) {
            return Ok(Look::Had((dir, file, note)));
        }
    } else if crowded {
        // Others use a resource that the file does not name: somebody has tampered with it.
        let shared = rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared);
        if shared.is_ok() {
            dir.replace(name, &file)?;
        }
    }
    Ok(Look::Crowded)
}

fn held(dir: &StateDir, name: &str) -> Look {
    let Ok(file) = dir.read(name) else { return Look::Crowded };
    let Ok(stat) = rustix::fs::fstat(&file) else { return Look::Crowded };
    // `st_mtime_nsec` has another type on macOS.
    let sign = (stat.st_ino, stat.st_mtime, i128::from(stat.st_mtime_nsec));
    Look::Held { sign, maker: maker(&file) }
}

/// Waits for the exclusive lock of a file next to a lease's.
///
/// # Cancel safety
/// The wait ends when the future is dropped; an acquired lock is released.
pub(super) async fn exclusive(config: Config, name: String) -> Result<UnsharedFd> {
    let waiting = async move {
        let queue = queue(&config, &name);
        let _turn = queue.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            let (config, name) = (config.clone(), name.clone());
            let how = FlockOperation::NonBlockingLockExclusive;
            if let Some(file) = blocking(move || beside(&config, &name, how)).await? {
                return Ok(file);
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 3 / 2);
        }
    };
    Worker::start()?.run_while_wanted(waiting).await?
}

/// Runs file-system calls. To be called on the worker, whose runtime never ends.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::other("a look at a lock failed").with_source(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a lease that somebody else makes.
    fn made_by_another() -> (tempfile::TempDir, Config, UnsharedFd) {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let dir = StateDir::open(&config, PART).unwrap();
        let file = dir.lock("a").unwrap().unwrap();
        rustix::io::pwrite(&file, b"making k-g 4711\n", 0).unwrap();
        (home, config, file)
    }

    #[tokio::test]
    async fn a_maker_that_shows_no_sign_of_life_is_named() {
        let (_home, config, _file) = made_by_another();
        let error = acquire(&config, "a", Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("process 4711"), "{error}");
    }

    #[tokio::test]
    async fn who_waits_and_is_given_up_leaves_neither_thread_nor_descriptor() {
        let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let (_home, config, file) = made_by_another();
        let worker = Worker::start().unwrap();
        let before = count("task") + count("fd");
        let waiting = (0..200).map(|_| {
            let config = config.clone();
            let acquire = async move { acquire(&config, "a", Duration::from_secs(60)).await };
            Box::pin(worker.run_while_wanted(acquire))
        });
        let all = futures_util::future::join_all(waiting);
        let given_up = tokio::time::timeout(Duration::from_millis(200), all).await;
        assert!(given_up.is_err());
        let after = count("task") + count("fd");
        assert!(after < before + 50, "{before} threads and descriptors, then {after}");
        // The next who asks gets it all the same.
        drop(file);
        let (_, _, note) = acquire(&config, "a", Duration::from_secs(60)).await.unwrap();
        assert_eq!(note, LeaseRecord::Making("k-g".into()));
    }
}

//! [`SetupLock`]: set-up that runs once for a resource, whoever uses it.

use serde::Serialize;

use super::guard::Guard;
use super::lease_file::FileOwner;
use super::session::Session;
use super::waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;
use crate::spec::spec_hash;

const DONE: &[u8] = b"done\n";

/// Returns the name of the file for a resource and a key. A sweep removes it once nobody can use
/// the resource any more.
pub(super) fn file_name(guard: &Guard, key: &impl Serialize) -> String {
    let owner = match guard.lease() {
        Some(lease) => FileOwner::Lease(lease.name()),
        // The file is useless to others, and removed by a sweep when this process is gone.
        None => FileOwner::Session(Session::current().token()),
    };
    // The id distinguishes a resource from the next one under the same lease.
    let hash = spec_hash(&(guard.id(), key));
    owner.file(hash.get(..32).unwrap_or(&hash))
}

/// The exclusive lock of one resource and key.
#[derive(Debug)]
pub(crate) enum SetupLock {
    /// The lock for all processes that share the resource, and whether the set-up is done.
    File { file: UnsharedFd, done: bool },
    /// The lock for this process alone. A file could be removed by the sweep of another process if
    /// this one has no session lock, as without a guardian.
    Own(tokio::sync::OwnedMutexGuard<bool>),
}

impl SetupLock {
    /// Takes the lock, after everybody who holds it or waits before.
    ///
    /// # Cancel safety
    /// A lock that is still acquired is released at once.
    pub(crate) async fn take(guard: &Guard, key: &str) -> Result<SetupLock> {
        let told = |error: Error| error.at("set-up");
        if guard.lease().is_none() {
            return Ok(SetupLock::Own(guard.setup(key).lock_owned().await));
        }
        let config = guard.engine().config().clone();
        let name = file_name(guard, &key);
        let file = waiting::exclusive(config, name).await.map_err(told)?;
        let mut first = [0; DONE.len()];
        let done = matches!(rustix::io::pread(&file, &mut first, 0), Ok(n) if n == DONE.len());
        Ok(SetupLock::File { file, done })
    }

    /// Returns whether somebody has run the set-up.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            SetupLock::File { done, .. } => *done,
            SetupLock::Own(done) => **done,
        }
    }

    /// Records for everybody that the set-up is done.
    pub(crate) fn done(self) -> Result<()> {
        let file = match self {
            SetupLock::File { file, .. } => file,
            SetupLock::Own(mut done) => {
                *done = true;
                return Ok(());
            }
        };
        match rustix::io::pwrite(&file, DONE, 0) {
            Ok(written) if written == DONE.len() => Ok(()),
            outcome => {
                let error = outcome.err().unwrap_or(rustix::io::Errno::NOSPC);
                let error = std::io::Error::from(error);
                let message = "failed to record that the set-up has run";
                Err(Error::new(ErrorKind::Io, message).with_source(error).at("set-up"))
            }
        }
    }
}

/// Runs `work` unless somebody has; returns whether it ran.
pub(crate) async fn set_up_once<E: From<Error>>(
    guard: &Guard,
    key: &str,
    work: impl AsyncFnOnce() -> Result<(), E>,
) -> Result<bool, E> {
    guard.check()?;
    let turn = SetupLock::take(guard, key).await?;
    if turn.is_done() {
        return Ok(false);
    }
    work().await?;
    turn.done()?;
    Ok(true)
}

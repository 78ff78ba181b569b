//! [`DeadLease`]: a lease that nobody holds any more, and its resource.

use super::kind::Kind;
use super::lease_file::{FileOwner, LeaseRecord, PART, is_kept};
use super::session_lock::{FRESH, PART as SESSIONS, age, replace};
use super::state_dir::StateDir;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::forks::UnsharedFd;
use crate::random;
use crate::spec::label;

/// A lease that nobody holds. Its lock is held here until its resource is dealt with.
#[derive(Debug)]
pub(super) struct DeadLease {
    pub(super) kind: Kind,
    value: String,
    dir: StateDir,
    name: String,
    file: UnsharedFd,
    /// Whether its maker died a short time ago, before the resource was ready: the engine may still
    /// create it.
    may_come_yet: bool,
}

/// Notes that a maker died while it made a shared resource whose lease is another process's by now,
/// so that a sweep looks for what the engine creates late. Returns the name of the note.
pub(super) fn note_late(dir: &StateDir, name: &str, value: &str) -> Result<String> {
    let note = format!("{name}.late-{}", random::token());
    let file = dir.lock(&note)?.ok_or_else(|| Error::other("a new file is locked"))?;
    replace(&file, format!("making {value} -\n").as_bytes())?;
    Ok(note)
}

impl DeadLease {
    pub(super) fn may_come_yet(&self) -> bool {
        self.may_come_yet
    }

    pub(super) fn label(&self) -> String {
        self.kind.label(label::SHARED, &self.value)
    }

    /// Removes the files of the lease and of its set-up locks: the resource is gone.
    pub(super) fn forget(self) {
        let names = self.dir.names().unwrap_or_default();
        let is_of_this =
            |name: &&String| FileOwner::of(name).is_some_and(|owner| owner.is_lease(&self.name));
        names.iter().filter(is_of_this).for_each(|name| self.dir.remove(name));
        self.dir.remove(&self.name);
        drop(self.file);
    }
}

/// Returns the leases on an engine that nobody holds: either the kept ones or the others.
pub(super) fn dead(config: &Config, engine: &str, kept: bool) -> Result<Vec<DeadLease>> {
    let dir = StateDir::open(config, PART)?;
    let here = format!("{engine}-");
    let living = StateDir::open(config, SESSIONS)?.names()?;
    let mut found = Vec::new();
    for name in dir.names()? {
        if let Some(owner) = FileOwner::of(&name) {
            let lives = match owner {
                FileOwner::Lease(lease) => dir.has(lease),
                FileOwner::Session(token) => living.iter().any(|file| file.contains(token)),
            };
            // A locked file is in use, even if its process seems to be gone.
            if !lives && matches!(dir.lock(&name), Ok(Some(_))) {
                dir.remove(&name);
            }
            continue;
        }
        let letter = name.strip_prefix(&here).and_then(|rest| rest.chars().next());
        let kind = Kind::ALL.into_iter().find(|kind| Some(kind.letter()) == letter);
        let Some(kind) = kind else { continue };
        // A problem with one file must not keep the others from being swept.
        let Ok(Some(file)) = dir.lock(&name) else { continue };
        let (value, half) = match LeaseRecord::read(&file) {
            Ok(LeaseRecord::Ready(value, _)) if is_kept(&file) == kept => (value, false),
            Ok(LeaseRecord::Making(value)) if !kept => (value, true),
            Ok(LeaseRecord::Nothing) => {
                dir.remove(&name);
                continue;
            }
            _ => continue,
        };
        let dir = StateDir::open(config, PART)?;
        let may_come_yet = half && age(&file).is_ok_and(|age| age < FRESH);
        found.push(DeadLease { kind, value, dir, name, file, may_come_yet });
    }
    Ok(found)
}

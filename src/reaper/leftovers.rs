//! [`Leftovers`]: the resources of sessions of this host that were killed together with their
//! guardian.

use super::dead_lease::{self, DeadLease};
use super::host::Orphans;
use super::kind::Kind;
use super::listing::{LIST_LIMIT, label_of, list, list_all, within};
use super::on_thread::on_thread;
use super::ours::ours;
use super::session::Session;
use super::session_lock::{self, PART, SessionRecord, read_name};
use super::state_dir::StateDir;
use super::sweep_report::{Outcome, SweepReport, remove_all};
use crate::config::Config;
use crate::engine::{Client, Labelled};
use crate::error::Result;
use crate::forks::UnsharedFd;
use crate::spec::label;

/// The resources of dead sessions, leases and containers.
pub(super) struct Leftovers {
    engine: Client,
    sessions: Vec<DeadSession>,
    leases: Vec<DeadLease>,
    /// The resources of programs whose container is gone.
    orphans: Vec<(Kind, String)>,
    /// Whether other processes sweep as well, and may end before they are done.
    others_sweep: bool,
}

/// A session whose process is gone. Its lock is held here until its resources are dealt with, so
/// that others leave them alone.
struct DeadSession {
    token: String,
    name: String,
    left: SessionRecord,
    file: UnsharedFd,
    resources: Vec<(Kind, String)>,
}

impl Leftovers {
    pub(super) async fn look(engine: &Client) -> Result<Leftovers> {
        let Dead { mut sessions, leases, others_sweep } = blocking(engine, dead).await?;
        let mut orphans = Vec::new();
        // Of programs in containers, labels may be the only trace.
        if !sessions.is_empty() || engine.test_host().container().is_some() {
            let everything = list_all(engine).await?;
            orphans = Orphans::find(engine, &everything).await?.left;
            let whose = |sessions: &[DeadSession], kind, found: &Labelled| {
                let owner = label_of(kind, found, label::OWNER)?;
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
        Ok(Leftovers { engine: engine.clone(), sessions, leases, orphans, others_sweep })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.leases.is_empty() && self.orphans.is_empty()
    }

    /// Returns whether to search again: the engine may yet execute a call of a dead session, or
    /// another sweep may end halfway. A container that ended left no record of its calls, so this
    /// also holds for any that left a resource.
    pub(super) fn is_to_be_looked_at_again(&self) -> bool {
        self.others_sweep
            || !self.orphans.is_empty()
            || self.sessions.iter().any(|one| one.left.may_come_yet())
            || self.leases.iter().any(DeadLease::may_come_yet)
    }

    /// Removes as much as possible: a failure with one session or lease must not keep the others'
    /// resources from being removed. Returns the last error.
    pub(super) async fn remove(self) -> Result<SweepReport> {
        let dir = StateDir::open(self.engine.config(), PART);
        let sessions = self.sessions.into_iter().map(|session| {
            let (engine, dir) = (&self.engine, dir.as_ref().ok());
            async move {
                let outcome = remove_all(engine, session.resources).await;
                // The next sweep deals with what is left of it, or is created late.
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

/// Runs `look`, which may block, on a thread of its own: tokio's `spawn_blocking` panics if no
/// thread can be started.
pub(super) async fn blocking<T: Send + 'static>(
    engine: &Client,
    look: fn(&Config, &str) -> Result<T>,
) -> Result<T> {
    let engine = engine.clone();
    on_thread(move || look(engine.config(), engine.identity())).await
}

/// The sessions and leases that nobody holds any more, and that left resources on this engine.
struct Dead {
    sessions: Vec<DeadSession>,
    leases: Vec<DeadLease>,
    /// Whether another process sweeps a session that is not among these.
    others_sweep: bool,
}

/// Finds the dead sessions and leases of this engine, and removes the files of sessions that left
/// nothing on any engine.
fn dead(config: &Config, engine: &str) -> Result<Dead> {
    let dir = StateDir::open(config, PART)?;
    let (mut sessions, mut others_sweep) = (Vec::new(), false);
    for name in dir.names()? {
        let Some((place, token)) = read_name(&name) else { continue };
        // This process's own file, which it may have locked through another descriptor.
        if token == Session::current().token() {
            continue;
        }
        // A problem with one file must not keep the others from being swept.
        let Ok(locked) = dir.lock(&name) else { continue };
        let Some(file) = locked else {
            let left = dir.read(&name).and_then(|file| Ok(SessionRecord::read(&file)?));
            others_sweep |= place == engine && left.is_ok_and(|left| left.swept);
            continue;
        };
        let Ok(left) = SessionRecord::read(&file) else { continue };
        if !left.any || left.hold {
            dir.remove(&name);
        } else if place == engine {
            if !left.swept {
                // On a full disk, other processes don't know of this sweep.
                let _ = session_lock::note_sweep(&file);
            }
            // The file of a session with resources on another engine stays for a sweep of that one.
            let (token, resources) = (format!(".{token}"), Vec::new());
            sessions.push(DeadSession { token, name, left, file, resources });
        }
    }
    Ok(Dead { sessions, leases: dead_lease::dead(config, engine, false)?, others_sweep })
}

impl DeadLease {
    /// Removes the shared resource, and then the lease.
    pub(super) async fn remove(self, engine: &Client) -> Outcome {
        let label = self.label();
        let found = list(engine, self.kind, &label);
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
        // The next search or sweep deals with what is created late.
        if outcome.error.is_none() && !self.may_come_yet() {
            self.forget();
        }
        outcome
    }
}

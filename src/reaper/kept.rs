//! The removal of kept resources.

use std::sync::Arc;

use super::dead_lease::{self, DeadLease};
use super::host::Orphans;
use super::leftovers::blocking;
use super::listing::{label_of, list_all};
use super::ours::ours;
use super::owner::Owner;
use super::session_lock::{PART, SessionRecord, read_name};
use super::state_dir::{self, StateDir};
use super::sweep_report::{SweepReport, remove_all};
use super::worker::Worker;
use crate::config::Config;
use crate::engine::{Client, Labelled};
use crate::error::Result;
use crate::spec::label;

/// Removes what was kept on this host; see [`Engine::remove_kept`](crate::Engine::remove_kept).
///
/// # Cancel safety
/// A removal that has begun goes on when the future is dropped.
pub(crate) async fn remove_kept(engine: &Client, owner: &Arc<Owner>) -> Result<SweepReport> {
    Worker::start()?.run(remove(engine.clone(), owner.clone())).await?
}

async fn remove(engine: Client, owner: Arc<Owner>) -> Result<SweepReport> {
    // Listed first: whoever owns one of these by then holds a lock, and is known to live.
    let everything = list_all(&engine).await?;
    let (sessions, leases) = blocking(&engine, kept_here).await?;
    let orphans = Orphans::find(&engine, &everything).await?.kept;
    let own = owner.kept();
    let here = format!("{}.", state_dir::place(engine.config())?);
    let is_kept = |kind, found: &Labelled| {
        let mut owners =
            [label::OWNER, label::KEPT].into_iter().filter_map(|key| label_of(kind, found, key));
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
}

/// The living sessions of this host with their records, and the kept shared resources that nobody
/// uses.
type KeptHere = (Vec<(String, SessionRecord)>, Vec<DeadLease>);

fn kept_here(config: &Config, engine: &str) -> Result<KeptHere> {
    let dir = StateDir::open(config, PART)?;
    let mut sessions = Vec::new();
    for name in dir.names()? {
        let Some((_, token)) = read_name(&name) else { continue };
        // An entry that can't be judged, such as a directory of that name, counts as a living
        // session.
        if !matches!(dir.lock(&name), Ok(Some(_))) {
            let left = dir.read(&name).and_then(|file| Ok(SessionRecord::read(&file)?));
            sessions.push((format!(".{token}"), left.unwrap_or_default()));
        }
    }
    Ok((sessions, dead_lease::dead(config, engine, true)?))
}

//! Programs that run in containers: their resources name that container, so that others can tell
//! from the engine alone that the maker is gone. A container that ends takes all of its processes
//! with it, and often the directory with their locks.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::labels::test_host;
use super::listing::label_of;
use super::ours::ours;
use super::session::Session;
use super::worker::Worker;
use crate::engine::{Client, Labelled};
use crate::error::Result;
use crate::random;
use crate::spec::{VolumeSpec, label};

/// Notes on the engine itself that a resource is kept: its labels can't be changed, and the state
/// of this program may be lost with its container. The note is an empty volume.
pub(super) fn note_kept(engine: &Client, owner: &str, kind: Kind, id: &str, shared: bool) {
    let (Some(host), Some(worker)) = (test_host(engine, shared), Worker::current()) else {
        return;
    };
    let name = format!("castoff-kept-{}", random::token());
    let labels = [
        (label::SESSION, Session::current().token().to_owned()),
        (label::KEPT, owner.to_owned()),
        (label::KEEPS, keeps(kind, id)),
        (label::HOST, host.to_owned()),
        (label::RESOURCE, name.clone()),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value));
    let noting = engine.clone();
    // The end of the process waits for this as for a removal.
    drop(worker.remove(engine.endpoint(), async move {
        let made = noting.create_volume(&VolumeSpec::default(), &name, &labels).await;
        made.map(drop).inspect_err(|error| {
            tracing::warn!(%error, "what is kept may be removed when this container is gone");
        })
    }));
}

fn keeps(kind: Kind, id: &str) -> String {
    format!("{} {id}", kind.word())
}

/// Resources whose maker ran in a container that is gone or stopped, from a list of the engine's.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    pub(super) left: Vec<(Kind, String)>,
    pub(super) kept: Vec<(Kind, String)>,
}

impl Orphans {
    /// Asks the engine once about each container that programs have run in.
    ///
    /// The list has to come before this: whatever it holds was created before its container is
    /// found dead, so its maker is dead too.
    pub(super) async fn find(engine: &Client, listed: &[(Kind, Labelled)]) -> Result<Orphans> {
        let own = engine.test_host().container();
        let hosts: BTreeSet<&str> =
            listed.iter().filter_map(|(kind, found)| said(*kind, found, label::HOST)).collect();
        let mut dead = BTreeSet::new();
        for host in hosts.into_iter().filter(|host| Some(*host) != own) {
            match engine.container_runs(host).await {
                Ok(false) => drop(dead.insert(host)),
                Ok(true) => {}
                Err(error) => tracing::debug!(%error, host, "whether it runs is not known"),
            }
        }
        let mut orphans = Orphans::default();
        let [left, kept] = sort_out(listed, &dead);
        for (found, place) in [(left, &mut orphans.left), (kept, &mut orphans.kept)] {
            let found = found.into_iter().map(|(kind, found)| (kind, found.clone())).collect();
            let found = ours(engine, found).await?.into_iter();
            place.extend(found.map(|(kind, found)| (kind, found.id)));
        }
        Ok(orphans)
    }
}

fn said<'a>(kind: Kind, found: &'a Labelled, key: &str) -> Option<&'a str> {
    label_of(kind, found, key).filter(|value| !value.is_empty())
}

/// The resources of dead containers: those to be removed, and those that were kept.
type Sorted<'a> = [Vec<(Kind, &'a Labelled)>; 2];

fn sort_out<'a>(listed: &'a [(Kind, Labelled)], dead: &BTreeSet<&str>) -> Sorted<'a> {
    let there: BTreeSet<String> = listed.iter().map(|(kind, one)| keeps(*kind, &one.id)).collect();
    let notes: BTreeMap<&str, &str> = listed
        .iter()
        .filter_map(|(kind, found)| Some((found.id.as_str(), said(*kind, found, label::KEEPS)?)))
        .collect();
    let noted: BTreeSet<&str> = notes.values().copied().collect();
    let (mut left, mut kept) = (Vec::new(), Vec::new());
    for (kind, found) in listed {
        if !said(*kind, found, label::HOST).is_some_and(|host| dead.contains(host)) {
            continue;
        }
        let is_kept = match notes.get(found.id.as_str()).filter(|_| *kind == Kind::Volume) {
            // A note is obsolete once the resource that it is about is gone.
            Some(of) => there.contains(*of),
            None => noted.contains(keeps(*kind, &found.id).as_str()),
        };
        let place = if is_kept { &mut kept } else { &mut left };
        place.push((*kind, found));
    }
    [left, kept]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, id: &str, labels: &[(&str, &str)]) -> (Kind, Labelled) {
        let labels = labels.iter().map(|(key, value)| (kind.label_key(key), (*value).to_owned()));
        let labels = labels.collect();
        (kind, Labelled { id: id.to_owned(), labels, ..Labelled::default() })
    }

    #[test]
    fn what_dead_containers_left_goes_but_for_what_they_kept() {
        let dead = BTreeSet::from(["d"]);
        let host = |id| (label::HOST, id);
        let listed = [
            one(Kind::Container, "left", &[host("d")]),
            one(Kind::Image, "image", &[host("d")]),
            one(Kind::Container, "living", &[host("l")]),
            one(Kind::Container, "elsewhere", &[]),
            one(Kind::Container, "kept", &[host("d")]),
            one(Kind::Volume, "note", &[host("d"), (label::KEEPS, "container kept")]),
            one(Kind::Volume, "old note", &[host("d"), (label::KEEPS, "container gone")]),
            one(Kind::Volume, "kept", &[host("d")]),
            one(Kind::Container, "inherits", &[host("")]),
        ];
        let [orphans, kept] = sort_out(&listed, &dead);
        let ids = |found: Vec<(Kind, &Labelled)>| {
            found.into_iter().map(|(kind, one)| keeps(kind, &one.id)).collect::<Vec<_>>()
        };
        let left = ["container left", "image image", "volume old note", "volume kept"];
        assert_eq!(ids(orphans), left);
        assert_eq!(ids(kept), ["container kept", "volume note"]);
    }
}

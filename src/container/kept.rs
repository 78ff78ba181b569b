//! Which directories of a tree are in a container already: those keep their mode and owner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tmpfs;
use crate::engine::{Engine, Way};
use crate::error::Result;

/// The directories of `tree` that are there already, by their names in the archive, where `tree` itself
/// is `name`. One after the other is asked for, from the top down, and none below one that is missing.
pub(super) async fn kept(
    way: Way,
    engine: &Engine,
    id: &str,
    tree: (PathBuf, bool),
    directory: &str,
    name: &str,
) -> Result<BTreeSet<String>> {
    let (tree, follow) = tree;
    let directory = directory.trim_end_matches('/');
    let mut kept = BTreeSet::new();
    let mut level = vec![(tree, name.to_owned())];
    while !level.is_empty() {
        let places: Vec<_> = level.iter().map(|(_, name)| format!("{directory}/{name}")).collect();
        let there = are_there(way, engine, id, &places).await?;
        let mut below = Vec::new();
        for ((from, name), _) in level.into_iter().zip(there).filter(|(_, there)| *there) {
            let inner = directories_in(&from, follow);
            below.extend(inner.into_iter().map(|sub| (from.join(&sub), format!("{name}/{sub}"))));
            kept.insert(name);
        }
        level = below;
    }
    Ok(kept)
}

/// Whether there is a directory, and no link to one, at each of these places.
async fn are_there(way: Way, engine: &Engine, id: &str, places: &[String]) -> Result<Vec<bool>> {
    if way == Way::Command {
        return tmpfs::are_directories(engine, id, places).await;
    }
    let mut there = Vec::with_capacity(places.len());
    for place in places {
        let stat = engine.stat_path(id, place).await?;
        there.push(stat.is_some_and(|stat| stat.is_dir && stat.link.is_none()));
    }
    Ok(there)
}

/// (What can't be read is told when it is packed.)
fn directories_in(directory: &Path, follow: bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| match follow {
        true => entry.path().is_dir(),
        false => entry.file_type().is_ok_and(|kind| kind.is_dir()),
    });
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

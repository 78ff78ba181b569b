//! Directories of a tree that exist in a container already, and keep their mode and owner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tmpfs;
use crate::engine::{Client, Way};
use crate::error::Result;

/// Returns the directories of `tree` that exist already, by their names in the archive, in which
/// `tree` itself is `name`. Checks level by level, and nothing below a missing directory.
pub(super) async fn kept(
    way: Way,
    engine: &Client,
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

/// Returns for each of these paths whether a directory, and not a link to one, exists there.
async fn are_there(way: Way, engine: &Client, id: &str, places: &[String]) -> Result<Vec<bool>> {
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

/// Returns the names of subdirectories. An unreadable directory has none: packing it reports the
/// error.
fn directories_in(directory: &Path, follow: bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| match follow {
        true => entry.path().is_dir(),
        false => entry.file_type().is_ok_and(|kind| kind.is_dir()),
    });
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

//! Links that came out of containers and builds, which no later copy is to follow.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// More links than these are not told apart: then every link counts as one that was copied.
const MOST: usize = 65_536;

/// By device, inode and target; an inode's number may come again.
static COPIED: Mutex<BTreeSet<(u64, u64, PathBuf)>> = Mutex::new(BTreeSet::new());

/// Notes that this link came out of a container or a build of this process.
pub(crate) fn remember(link: &Path) {
    if let Some(link) = identity(link) {
        let mut copied = COPIED.lock().unwrap_or_else(PoisonError::into_inner);
        if copied.len() < MOST {
            copied.insert(link);
        }
    }
}

/// That no part of a path is a link that an earlier copy of this process left: whoever made the
/// container would choose where the next copy goes. Links that somebody else made are followed.
pub(crate) fn not_through_a_copied_link(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut here = PathBuf::new();
    for part in path.components() {
        here.push(part);
        let Some(link) = identity(&here) else { continue };
        let copied = COPIED.lock().unwrap_or_else(PoisonError::into_inner);
        if copied.len() >= MOST || copied.contains(&link) {
            let message = format!(
                "{} is a link that was copied there; remove it, or name the place that it leads to",
                here.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// `None` for what is no link.
fn identity(path: &Path) -> Option<(u64, u64, PathBuf)> {
    let there = path.symlink_metadata().ok().filter(std::fs::Metadata::is_symlink)?;
    Some((there.dev(), there.ino(), std::fs::read_link(path).ok()?))
}

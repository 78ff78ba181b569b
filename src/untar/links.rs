//! Symbolic links copied out of containers and builds, which later copies must not follow.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

/// Limit for the remembered links: once it is reached, every link counts as a copied one.
const MOST: usize = 65_536;

/// The copied links by device, inode and target, as an inode number may be reused.
static COPIED: Mutex<BTreeSet<(u64, u64, PathBuf)>> = Mutex::new(BTreeSet::new());

/// The nanoseconds in the mtime of a copied link, by which other processes recognize it: archives
/// have whole seconds, and an unrelated link has this number once in a billion.
const STAMP: i64 = 212_169_983;

/// Records, for this process and for later ones, that this link came out of a container or a build.
pub(crate) fn remember(link: &Path) {
    stamp(link);
    if let Some(link) = identity(link) {
        let mut copied = COPIED.lock().unwrap_or_else(PoisonError::into_inner);
        if copied.len() < MOST {
            copied.insert(link);
        }
    }
}

/// Sets the mtime of a link. On file systems without nanoseconds, only this process recognizes it.
fn stamp(link: &Path) {
    let Ok(there) = link.symlink_metadata() else { return };
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let time = Timespec { tv_sec: there.mtime(), tv_nsec: STAMP };
    let times = Timestamps { last_access: omit, last_modification: time };
    let _ = utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// Fails if a part of a path is a link that an earlier copy left: the author of the container would
/// choose where the next copy goes. Other links are followed.
pub(crate) fn not_through_a_copied_link(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut here = PathBuf::new();
    for part in path.components() {
        here.push(part);
        let Some(link) = identity(&here) else { continue };
        let stamped = here.symlink_metadata().is_ok_and(|there| there.mtime_nsec() == STAMP);
        let copied = COPIED.lock().unwrap_or_else(PoisonError::into_inner);
        if stamped || copied.len() >= MOST || copied.contains(&link) {
            let message = format!(
                "{} is a link that was copied there; remove it, or name the place that it leads to",
                here.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// Returns the identity of a link, or `None` for anything else.
fn identity(path: &Path) -> Option<(u64, u64, PathBuf)> {
    let there = path.symlink_metadata().ok().filter(std::fs::Metadata::is_symlink)?;
    Some((there.dev(), there.ino(), std::fs::read_link(path).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_another_process_copied_is_known_by_its_time() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        // At first, it counts as the user's own.
        not_through_a_copied_link(&link.join("file")).unwrap();
        // As `remember` does, except for the entry in this process's memory.
        stamp(&link);
        std::fs::rename(&link, dir.path().join("moved")).unwrap();
        for path in ["moved", "moved/", "moved/file", "moved/sub/file"] {
            let error = not_through_a_copied_link(&dir.path().join(path)).unwrap_err();
            assert!(error.to_string().contains("is a link that was copied there"), "{error}");
        }
    }
}

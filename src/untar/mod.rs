//! Unpacking of untrusted archives below a directory and nowhere else.

mod links;
mod names;

use std::io::{self, Read};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use tar::{Archive, Entry, EntryType, Header};

pub(crate) use links::{not_through_a_copied_link, remember};
pub(crate) use names::ShortNames;

/// Unpacks those files, directories and links of an archive below `root` that `admits` accepts.
/// Sockets, pipes and devices are skipped, as they mean nothing outside of a container.
///
/// Directories come last, as a read-only one could not be filled afterwards, and the deepest of
/// them come first.
pub(crate) fn unpack(
    mut archive: Archive<impl Read>,
    root: &Path,
    mut admits: impl FnMut(&Path, &Header, u64) -> io::Result<bool>,
) -> io::Result<()> {
    let mut directories = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Directory | EntryType::Symlink | EntryType::Link => {}
            EntryType::Continuous | EntryType::GNUSparse => {}
            _ => continue,
        }
        if !admits(&entry.path()?, entry.header(), entry.size())? {
            continue;
        }
        match kind {
            EntryType::Directory => directories.push(entry),
            _ => unpack_entry(&mut entry, root)?,
        }
    }
    directories.sort_by(|one, other| other.path_bytes().cmp(&one.path_bytes()));
    directories.iter_mut().try_for_each(|entry| {
        unpack_entry(entry, root)?;
        let mut place = root.to_owned();
        place
            .extend(entry.path()?.components().filter(|part| matches!(part, Component::Normal(_))));
        keep_time(entry.header(), &place)
    })
}

/// Unpacks an entry below `root`. Refuses one whose path leads through a link, whether this archive
/// or an earlier one created the link, and a hard link to a file behind one.
///
/// The check precedes the write: somebody else who may write below `root` could put a link there
/// between the two.
fn unpack_entry<R: Read>(entry: &mut Entry<'_, R>, root: &Path) -> io::Result<()> {
    let path = entry.path()?.into_owned();
    let kind = entry.header().entry_type();
    not_through_a_link(root, &path, kind == EntryType::Directory)?;
    if kind == EntryType::Link
        && let Some(source) = entry.link_name()?
    {
        not_through_a_link(root, &source, false)?;
    }
    if !entry.unpack_in(root)? {
        return Err(refused(&path, "leaves the place that is copied to"));
    }
    if kind == EntryType::Symlink {
        remember(&root.join(&path));
    }
    Ok(())
}

/// Sets the mtime of a directory from its header; the tar crate does so for files only.
pub(crate) fn keep_time(header: &Header, directory: &Path) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let seconds = i64::try_from(header.mtime()?).unwrap_or_default();
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: omit, last_modification: time };
    Ok(utimensat(CWD, directory, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Fails if a directory on the way to `path` is a link; with `all`, also if `path` itself is one,
/// for entries that do not replace it.
fn not_through_a_link(root: &Path, path: &Path, all: bool) -> io::Result<()> {
    let mut here = root.to_owned();
    let mut parts = path.components().filter(|part| *part != Component::CurDir).peekable();
    while let Some(part) = parts.next() {
        match part {
            // Taken as relative to `root`, as the tar crate does.
            Component::RootDir | Component::Prefix(_) => continue,
            Component::ParentDir => {
                return Err(refused(path, "leaves the place that is copied to"));
            }
            _ => here.push(part),
        }
        if parts.peek().is_none() && !all {
            break;
        }
        match here.symlink_metadata() {
            Ok(there) if there.is_symlink() => {
                return Err(refused(
                    path,
                    "leads through a link, out of the place that is copied to",
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {why}", path.display()))
}

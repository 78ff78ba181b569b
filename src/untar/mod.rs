//! Archives that somebody else wrote, unpacked below a directory and nowhere else.

mod links;
mod names;

use std::io::{self, Read};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use tar::{Archive, Entry, EntryType, Header};

pub(crate) use links::{not_through_a_copied_link, remember};
pub(crate) use names::ShortNames;

/// Unpacks an archive below `root`: of its files, directories and links those that `admits` lets
/// through. Sockets, pipes and devices are left out, as they mean nothing outside of a container.
///
/// Directories come last, as one that nobody may write to could not be filled afterwards, and of
/// these the deepest first.
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

/// Unpacks an entry below `root`. One whose path leads through a link is refused, whether this
/// archive made that link or an earlier one, and so is a hard link to what lies behind one.
///
/// (The path is looked at before it is written to: whoever else may write below `root` meanwhile
/// could put a link there between the two.)
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

/// Gives a directory the time that its header says. (The tar crate does so for files alone.)
pub(crate) fn keep_time(header: &Header, directory: &Path) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let seconds = i64::try_from(header.mtime()?).unwrap_or_default();
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: omit, last_modification: time };
    Ok(utimensat(CWD, directory, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// That no directory on the way to `path` is a link; with `all`, nor what lies there itself, where
/// that is not to be replaced.
fn not_through_a_link(root: &Path, path: &Path, all: bool) -> io::Result<()> {
    let mut here = root.to_owned();
    let mut parts = path.components().filter(|part| *part != Component::CurDir).peekable();
    while let Some(part) = parts.next() {
        match part {
            // (Taken as below `root`, as the tar crate does.)
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

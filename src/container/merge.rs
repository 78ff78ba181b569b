//! Moving of the contents of a directory into an existing one.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, open, openat, renameat, statat};
use rustix::io::Errno;

/// Moves the contents of `from` into `to`: directories are merged, files and links replace files
/// and links, and nothing else is replaced. `to` may be a link of the user's; links below it are
/// never followed. A conflict is reported before anything is moved.
pub(super) fn merge(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(to, flags, Mode::empty())?;
    Merging { moves: false }.merge_into(from, directory.as_fd(), to)?;
    Merging { moves: true }.merge_into(from, directory.as_fd(), to)
}

struct Merging {
    /// Whether entries are moved, or only checked.
    moves: bool,
}

impl Merging {
    fn merge_into(&self, from: &Path, to: BorrowedFd<'_>, shown: &Path) -> io::Result<()> {
        // Entries of a directory that its owner may not read or write could not be moved out of it.
        std::fs::set_permissions(from, PermissionsExt::from_mode(0o700))?;
        let entries: io::Result<Vec<_>> = std::fs::read_dir(from)?.collect();
        for entry in entries? {
            let (name, path) = (entry.file_name(), entry.path());
            let shown = shown.join(&name);
            let new = kind_of(CWD, path.as_os_str())?;
            match (new, kind_of(to, &name)?) {
                (Some(FileType::Directory), Some(FileType::Directory)) => {
                    let inner = open_below(to, &name).map_err(|error| told(&shown, &error))?;
                    self.merge_into(&path, inner.as_fd(), &shown)?;
                }
                (_, None) => self.take(&path, to, &name).map_err(|error| told(&shown, &error))?,
                (
                    Some(FileType::RegularFile | FileType::Symlink),
                    Some(FileType::RegularFile | FileType::Symlink),
                ) => self.take(&path, to, &name).map_err(|error| told(&shown, &error))?,
                (_, Some(FileType::Symlink)) => {
                    return Err(in_the_way(&shown, "is a link, where a directory is to go"));
                }
                _ => return Err(in_the_way(&shown, "exists already, as something else")),
            }
        }
        Ok(())
    }

    /// Moves one entry. A directory without write permission for its owner gets it temporarily:
    /// moving it changes its entry `..`.
    fn take(&self, from: &Path, to: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        if !self.moves {
            return Ok(());
        }
        let there = from.symlink_metadata()?;
        let closed = there.is_dir() && there.permissions().mode() & 0o200 == 0;
        if closed {
            std::fs::set_permissions(from, PermissionsExt::from_mode(0o700))?;
        }
        renameat(CWD, from, to, name)?;
        if closed {
            File::from(open_below(to, name)?).set_permissions(there.permissions())?;
        }
        Ok(())
    }
}

fn open_below(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::empty())?)
}

/// Returns the type of an entry, or `None` if it does not exist.
fn kind_of(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<FileType>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn told(place: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} can't take it: {error}", place.display()))
}

fn in_the_way(place: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("{} {why}", place.display()))
}

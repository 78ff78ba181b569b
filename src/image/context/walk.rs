//! The files of a directory that are not ignored.

use std::fs::{FileType, Metadata};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::dockerignore::{Ignore, Matched};
#[cfg(target_os = "linux")]
use crate::engine::CAPABILITY;
use crate::engine::{Content, TreeEntry};
use crate::error::{Error, ErrorKind, Result};

/// Lists a directory recursively; blocks. Links are not followed. Sockets are left out, as by
/// `docker build`, and devices.
pub(super) fn walk(directory: &Path, ignore: &Ignore) -> Result<Vec<TreeEntry>> {
    let metadata = std::fs::metadata(directory).map_err(|error| refused(directory, error))?;
    if !metadata.is_dir() {
        return Err(Error::invalid("context", format!("{} is no directory", directory.display())));
    }
    let mut walk = Walk { ignore, entries: Vec::new(), excluded: Vec::new() };
    walk.directory(directory, ("", true), &Matched::default())?;
    Ok(walk.entries)
}

struct Walk<'a> {
    ignore: &'a Ignore,
    entries: Vec<TreeEntry>,
    /// Directories that are ignored, but may contain a file that is not.
    excluded: Vec<TreeEntry>,
}

impl Walk<'_> {
    /// Lists a directory. `path` includes whether it is valid UTF-8: other paths may be ignored,
    /// but can't be sent.
    fn directory(&mut self, from: &Path, path: (&str, bool), above: &Matched) -> Result<()> {
        let listed = std::fs::read_dir(from).map_err(|error| refused(from, error))?;
        for entry in listed {
            let entry = entry.map_err(|error| refused(from, error))?;
            let name = entry.file_name();
            let whole = path.1 && name.to_str().is_some();
            let name = name.to_string_lossy();
            let path = match path.0 {
                "" => name.into_owned(),
                above => format!("{above}/{name}"),
            };
            self.entry(&entry, (path, whole), above)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &std::fs::DirEntry,
        (path, whole): (String, bool),
        above: &Matched,
    ) -> Result<()> {
        let matched = self.ignore.matches(&path, above);
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return gone_or(&entry.path(), error),
        };
        let excluded = matched.excluded();
        if excluded && !(kind.is_dir() && self.ignore.may_reinclude_below(&path)) {
            return Ok(());
        }
        let from = entry.path();
        if !excluded && !whole {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the name is no UTF-8");
            return Err(refused(&from, error));
        }
        // This does not follow links.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return gone_or(&from, error),
        };
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&from).map_err(|error| refused(&from, error))?;
            match target.to_str() {
                Some(target) => Content::Link(target.to_owned()),
                None => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "the link is no UTF-8");
                    return Err(refused(&from, error));
                }
            }
        } else if kind.is_file() {
            let (inode, capability) = (inode(&metadata), capability(&from));
            Content::File { path: from.clone(), inode, capability }
        } else if is_pipe(kind) {
            Content::Pipe
        } else {
            return Ok(());
        };
        let found = TreeEntry {
            path: path.clone(),
            mode: mode(&metadata),
            modified: metadata.modified().map(nanos).unwrap_or_default(),
            size: if kind.is_file() { metadata.len() } else { 0 },
            content,
        };
        if excluded {
            // It is included if a path below it is.
            let outer = self.excluded.len();
            self.excluded.push(found);
            self.directory(&from, (&path, whole), &matched)?;
            // It has been moved to the entries if so.
            self.excluded.truncate(outer);
            return Ok(());
        }
        self.entries.append(&mut self.excluded);
        self.entries.push(found);
        if kind.is_dir() {
            let outer = std::mem::take(&mut self.excluded);
            self.directory(&from, (&path, whole), &matched)?;
            self.excluded = outer;
        }
        Ok(())
    }
}

/// Ignores that a file was removed while the directory is listed.
fn gone_or(path: &Path, error: io::Error) -> Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(refused(path, error)) }
}

fn refused(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Io,
    };
    let message = format!("the build's context can't be read at {}", path.display());
    Error::new(kind, message).with_source(error).at("context")
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

/// Returns device and inode number of a file with several names.
#[cfg(unix)]
fn inode(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

/// Returns the attribute's value; `None` if it is not set, or the file system has no attributes.
#[cfg(target_os = "linux")]
fn capability(path: &Path) -> Option<Bytes> {
    // The newest format has 24 bytes.
    let mut value = [0; 256];
    let length = rustix::fs::lgetxattr(path, CAPABILITY, &mut value[..]).ok()?;
    (length > 0).then(|| Bytes::copy_from_slice(&value[..length]))
}

#[cfg(not(target_os = "linux"))]
fn capability(_: &Path) -> Option<Bytes> {
    None
}

/// Returns the mode that the docker CLI sets on Windows.
#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0o755
}

/// Returns the nanoseconds since 1970, negative for earlier times.
pub(super) fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_name_that_is_no_text_may_be_ignored_and_can_not_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("logs").join(OsStr::from_bytes(b"caf\xe9"));
        std::fs::create_dir_all(&odd).unwrap();
        std::fs::write(odd.join("x"), "1").unwrap();
        std::fs::write(folder.path().join(OsStr::from_bytes(b"\xff.tmp")), "1").unwrap();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        let walked = |patterns: &str| {
            let found = walk(folder.path(), &Ignore::parse(patterns).unwrap());
            found.map(|entries| entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>())
        };
        assert_eq!(walked("logs\n*.tmp").unwrap(), ["a"]);
        assert_eq!(walked("*\n!**/a").unwrap(), ["a"]);
        for patterns in ["", "logs", "*.tmp", "*\n!**/x"] {
            let error = walked(patterns).unwrap_err();
            assert!(format!("{error:?}").contains("no UTF-8"), "{patterns} {error:?}");
        }
    }

    #[test]
    fn names_of_one_file_pipes_and_old_times_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("b"), "1").unwrap();
        std::fs::hard_link(at("b"), at("a")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o640);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let old = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1_500);
        std::fs::File::options().append(true).open(at("b")).unwrap().set_modified(old).unwrap();
        let tree = crate::engine::Tree::new(walk(folder.path(), &Ignore::default()).unwrap());
        let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "pipe"]);
        assert_eq!((tree.link(0), tree.link(1), tree.link(2)), (None, Some(0), None));
        assert_eq!(tree.entries()[0].modified, -1_500_000_000);
        assert!(matches!(tree.entries()[2].content, Content::Pipe));
    }
}

//! Archives from a container, unpacked while they arrive and confined to their target.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tar::{Archive, EntryType};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::merge::merge;
use crate::engine::ChunkReader;
use crate::error::{Error, ErrorKind, Result};
use crate::untar::{self, ShortNames, keep_time, not_through_a_copied_link};

pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The part of an archive to unpack, and how.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Whether the contents of the directory are unpacked instead of the directory itself.
    pub(super) contents: bool,
    /// Whether the archive has the contents below the directory's name.
    pub(super) named: bool,
    /// Limit for the total size of the files, in bytes.
    pub(super) limit: u64,
    /// The name of the copy in a target directory, in place of its own.
    pub(super) name: Option<OsString>,
}

/// Unpacks the one file or directory in an archive as `to`, or into `to` if that is a directory.
/// Returns the path of the copy. The contents of a directory are merged into an existing one.
///
/// It is unpacked beside its target and moved there when complete, so that no partial copy ever
/// appears there, and nothing in the archive can reach beyond.
pub(super) async fn unpack(chunks: Chunks, to: &Path, wanted: Wanted) -> Result<PathBuf> {
    // Without a trailing slash, with which a link would be followed.
    let to = to.components().as_path().to_owned();
    through_blocking(chunks, move |source| {
        not_through_a_copied_link(&to)?;
        if to.is_symlink() && !to.is_dir() {
            let message = format!("{} is a link; name the place that it leads to", to.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let (parent, name) = if to.is_dir() {
            (to.clone(), None)
        } else {
            let parent = to.parent().filter(|p| !p.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")).to_owned(), to.file_name())
        };
        let staging = Staging::make(&parent)?;
        let top = extract(source, staging.path(), &wanted)?;
        if wanted.contents && !staging.path().join(&top).is_dir() {
            let message = format!("{} is not a directory", top.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        if wanted.contents && name.is_none() {
            merge(&staging.path().join(top), &to)?;
            return Ok(to);
        }
        let name = name.or(wanted.name.as_deref()).unwrap_or(top.as_os_str());
        let place = parent.join(name);
        if place.symlink_metadata().is_ok()
            && !(place.is_file() && staging.path().join(&top).is_file())
        {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} exists already", place.display()),
            ));
        }
        rename(&staging.path().join(&top), &place)?;
        Ok(place)
    })
    .await
}

/// Reads the one file in an archive, of at most `limit` bytes; `None` for a link.
pub(super) async fn read_file(chunks: Chunks, limit: u64) -> Result<Option<Vec<u8>>> {
    through_blocking(chunks, move |source| {
        let mut archive = Archive::new(ShortNames::new(source));
        // The first entry is the requested path; for a directory, more follow.
        if let Some(entry) = archive.entries()?.next() {
            let mut entry = entry?;
            if entry.header().entry_type() == EntryType::Regular {
                let size = entry.size();
                if size > limit {
                    let message = format!(
                        "it has {size} bytes, at most {limit} are read into memory; copy it to a \
                         file with `copy_from`, or name a limit with `read_file_up_to`"
                    );
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                return Ok(Some(bytes));
            }
            if entry.header().entry_type() == EntryType::Symlink {
                return Ok(None);
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
    })
    .await
}

/// The directory in the staging that receives the contents of another one.
const CONTENTS: &str = "contents";

/// Unpacks below `staging` and returns the name of the single top-level entry.
fn extract(source: ChunkReader, staging: &Path, wanted: &Wanted) -> io::Result<PathBuf> {
    let mut top: Option<PathBuf> = None;
    let mut bytes = 0_u64;
    let mut root = staging.to_owned();
    let nameless = wanted.contents && !wanted.named;
    if nameless {
        root.push(CONTENTS);
        std::fs::create_dir(&root)?;
    }
    // The header of the directory whose contents these are.
    let mut around = None;
    let archive = Archive::new(ShortNames::new(source));
    untar::unpack(archive, &root, |path, header, size| {
        let refuse = |why: &str| {
            io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {why}", path.display()))
        };
        bytes = within(bytes, size, wanted.limit)?;
        let first = path.components().find(|part| !matches!(part, Component::CurDir));
        if nameless && has_no_name(path) {
            top = Some(PathBuf::from(CONTENTS));
            around = Some(header.clone());
            return Ok(false);
        }
        let Some(Component::Normal(first)) = first else {
            return Err(refuse("leaves the place that is copied to"));
        };
        match &top {
            _ if nameless => top = Some(PathBuf::from(CONTENTS)),
            Some(top) if top.as_os_str() != first => {
                return Err(refuse("is not what was asked for"));
            }
            Some(_) => {}
            None => top = Some(PathBuf::from(first)),
        }
        Ok(true)
    })?;
    if let Some(around) = around {
        let mode = around.mode()? & 0o7777;
        std::fs::set_permissions(&root, PermissionsExt::from_mode(mode))?;
        keep_time(&around, &root)?;
    }
    top.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is empty"))
}

/// Returns whether a path is that of the directory itself whose contents are unpacked, as `./`.
fn has_no_name(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::CurDir | Component::RootDir))
}

/// Adds an entry's size to the sum so far; fails above the limit.
fn within(before: u64, size: u64, limit: u64) -> io::Result<u64> {
    let all = before.saturating_add(size);
    if all <= limit {
        return Ok(all);
    }
    let message = format!(
        "what is copied has more than the {limit} bytes that are allowed; name a higher limit with \
         `copy_from_up_to`"
    );
    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
}

/// Moves a complete copy to its target. A directory without write permission for its owner gets it
/// temporarily: moving it changes its entry `..`.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let there = from.symlink_metadata()?;
    if !there.is_dir() || there.permissions().mode() & 0o200 != 0 {
        return std::fs::rename(from, to);
    }
    std::fs::set_permissions(from, PermissionsExt::from_mode(0o700))?;
    std::fs::rename(from, to)?;
    std::fs::set_permissions(to, there.permissions())
}

/// Grants the owner full access to this directory and all directories below it.
fn open_all(directory: &Path) -> io::Result<()> {
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700))?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_all(&entry.path())?;
        }
    }
    Ok(())
}

/// A directory beside the target, removed with everything that remains in it.
struct Staging(TempDir);

impl Staging {
    fn make(parent: &Path) -> io::Result<Staging> {
        let made = tempfile::Builder::new().prefix(".castoff-").tempdir_in(parent);
        made.map(Staging).map_err(|error| {
            let message = format!("{} can't take it: {error}", parent.display());
            io::Error::new(error.kind(), message)
        })
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(self.path()).is_err() {
            // Modes from the container may deny access to their owner. `TempDir` removes it
            // afterwards.
            let _ = open_all(self.path());
        }
    }
}

/// Feeds a stream to blocking code on a thread for blocking work.
pub(super) async fn through_blocking<T: Send + 'static>(
    mut chunks: Chunks,
    work: impl FnOnce(ChunkReader) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let (feed, source) = mpsc::channel(4);
    let reader = ChunkReader::new(source);
    let working = tokio::task::spawn_blocking(move || work(reader));
    let mut failure = None;
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
                failure = Some(error);
                Err(broken)
            }
        };
        if feed.send(chunk).await.is_err() || failure.is_some() {
            break;
        }
    }
    drop(feed);
    let outcome =
        working.await.map_err(|error| Error::other("copying failed").with_source(error))?;
    match (failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(value)) => Ok(value),
        (None, Err(error)) => {
            let kind = match error.kind() {
                io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
                _ => ErrorKind::Io,
            };
            let message = format!("failed to copy out of the container: {error}");
            Err(Error::new(kind, message).with_source(error))
        }
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;

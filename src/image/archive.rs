//! Image archives in files of this machine.

use std::fs::Permissions;
use std::io;
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tar::Archive;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::engine::ChunkReader;
use crate::error::{Error, ErrorKind, Result};
use crate::tar_stream::TarStream;
use crate::untar::{self, ShortNames, not_through_a_copied_link};

/// Size of the pieces in which files are read.
const PIECE: usize = 256 * 1024;

/// Fails if a path can't be written to, before the work for it begins.
pub(super) fn check(path: &Path) -> Result<()> {
    replaceable(path).map(drop).map_err(|error| not_written(path, error))
}

fn not_written(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("failed to write {}", path.display())).with_source(error)
}

/// Writes a stream to a file, which appears when it is complete. It replaces a regular file, and
/// keeps its mode, but no link, pipe, device or directory.
pub(super) async fn write(
    mut pieces: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    path: &Path,
) -> Result<()> {
    let failed = |error| not_written(path, error);
    let before = replaceable(path).map_err(failed)?;
    // The temporary file is moved into place once it is complete, and removed otherwise.
    let beside = path.parent().unwrap_or(Path::new(""));
    let staged = tempfile::Builder::new()
        .prefix(".castoff-")
        .make_in(beside, |at| std::fs::File::create_new(at));
    let (file, staged) = staged.map_err(failed)?.into_parts();
    let mut file = File::from_std(file);
    if let Some(permissions) = before {
        file.set_permissions(permissions).await.map_err(failed)?;
    }
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    drop(file);
    replaceable(path).map_err(failed)?;
    staged.persist(path).map_err(|error| failed(error.error))
}

/// Returns the permissions of a regular file, or `None` if nothing exists; fails for anything else.
fn replaceable(path: &Path) -> io::Result<Option<Permissions>> {
    let there = match path.symlink_metadata() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = there.file_type();
    if kind.is_file() {
        return Ok(Some(there.permissions()));
    }
    let (what, instead) = match () {
        () if kind.is_symlink() => ("a link", "name the place that it leads to, or remove it"),
        () if kind.is_dir() => ("a directory", "name a file in it"),
        () => ("neither a file nor a directory", "name another path, or remove it"),
    };
    let message = format!("it is {what}, which is not replaced: {instead}");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
}

/// Returns a stream of a file's content.
pub(super) async fn read(path: &Path) -> Result<TarStream> {
    let file = File::open(path).await.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("failed to read {}", path.display())).with_source(error)
    })?;
    Ok(Box::pin(futures_util::stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let mut piece = Vec::with_capacity(PIECE);
        match (&mut file).take(PIECE as u64).read_to_end(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece.into()), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    })))
}

/// Unpacks an archive into a directory; blocks. Nothing in the archive can reach beyond it.
pub(super) fn unpack(pieces: mpsc::Receiver<io::Result<Bytes>>, to: &Path) -> io::Result<()> {
    not_through_a_copied_link(to)?;
    std::fs::create_dir_all(to)?;
    let mut archive = Archive::new(ShortNames::new(ChunkReader::new(pieces)));
    archive.set_preserve_permissions(true);
    untar::unpack(archive, to, |_, _, _| Ok(true))
}

#[cfg(test)]
mod tests {
    use tar::EntryType;

    use super::*;

    /// Unpacks an archive of entries, each with a type, a path, and the target of a link.
    fn unpacked(entries: &[(EntryType, &str, &str)], to: &Path) -> io::Result<()> {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, path, target) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o777);
            header.set_size(0);
            header.set_path(path).unwrap();
            if !target.is_empty() {
                header.set_link_name(target).unwrap();
            }
            header.set_cksum();
            tar.append(&header, io::empty()).unwrap();
        }
        let (sink, pieces) = mpsc::channel(1);
        sink.try_send(Ok(Bytes::from(tar.into_inner().unwrap()))).unwrap();
        drop(sink);
        unpack(pieces, to)
    }

    #[tokio::test]
    async fn a_file_replaces_a_file_and_nothing_else() {
        use std::os::unix::fs::PermissionsExt;
        let content = || -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> {
            Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(b"new"))]))
        };
        let dir = tempfile::tempdir().unwrap();
        let [file, link, pipe, sub, new] =
            ["file", "link", "pipe", "sub", "new"].map(|name| dir.path().join(name));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::fs::create_dir(&sub).unwrap();
        for (path, what) in [(&link, "a link"), (&pipe, "neither a file"), (&sub, "a directory")] {
            let before = path.symlink_metadata().unwrap().file_type();
            let error = write(content(), path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            let story = format!("{error:?}");
            assert!(story.contains(what) && story.contains(&*path.to_string_lossy()), "{story}");
            assert_eq!(path.symlink_metadata().unwrap().file_type(), before);
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
        for path in [&file, &new] {
            write(content(), path).await.unwrap();
            assert_eq!(std::fs::read(path).unwrap(), b"new");
        }
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 5, "nothing half-made is left");
        let plain = std::fs::File::create(dir.path().join("plain")).unwrap().metadata().unwrap();
        assert_eq!(new.metadata().unwrap().permissions(), plain.permissions());
    }

    #[test]
    fn a_link_that_an_earlier_build_left_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().display().to_string();
        std::fs::write(outside.path().join("secret"), "").unwrap();
        let to = tempfile::tempdir().unwrap();
        let out = to.path().join("out");
        unpacked(&[(EntryType::Symlink, "link", &target)], &out).unwrap();
        for (kind, path, source) in [
            (EntryType::Regular, "link/file", ""),
            (EntryType::Directory, "link", ""),
            (EntryType::Directory, "link/dir", ""),
            (EntryType::Symlink, "link/other", "x"),
            (EntryType::Link, "hard", "link/secret"),
        ] {
            let error = unpacked(&[(kind, path, source)], &out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{path}: {error}");
        }
        let error = unpacked(&[(EntryType::Regular, "file", "")], &out.join("link")).unwrap_err();
        assert!(error.to_string().contains("is a link"), "{error}");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        // A file replaces the link, and does not write through it.
        unpacked(&[(EntryType::Regular, "link", "")], &out).unwrap();
        assert!(out.join("link").symlink_metadata().unwrap().is_file());
    }
}

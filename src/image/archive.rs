//! Archives to and from files of this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tar::{Archive, EntryType};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::engine::{ChunkReader, TarStream};
use crate::error::{Error, ErrorKind, Result};

/// The size of the pieces that files are read in.
const PIECE: usize = 256 * 1024;

/// Writes a stream to a file, which is there when it is complete.
pub(super) async fn write(
    mut pieces: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    path: &Path,
) -> Result<()> {
    let failed = |error: io::Error| {
        let message = format!("failed to write {}", path.display());
        Error::new(ErrorKind::Io, message).with_source(error)
    };
    let staged = Staged::beside(path);
    let mut file = File::create(&staged.0).await.map_err(failed)?;
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    drop(file);
    tokio::fs::rename(&staged.0, path).await.map_err(failed)
}

/// A file that is not complete; what is there when this is dropped goes.
struct Staged(PathBuf);

impl Staged {
    fn beside(path: &Path) -> Staged {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".castoff-{}-{number}", std::process::id());
        Staged(path.with_file_name(name))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // (Renamed, it is there no more under this name.)
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A file's content.
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

/// Unpacks an archive into a directory; blocks. Nothing in it can reach beyond.
pub(super) fn unpack(pieces: mpsc::Receiver<io::Result<Bytes>>, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let mut archive = Archive::new(ChunkReader::new(pieces));
    archive.set_preserve_permissions(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Directory | EntryType::Symlink | EntryType::Link => {}
            EntryType::Continuous | EntryType::GNUSparse => {}
            // Devices and pipes are nothing that a build hands out.
            _ => continue,
        }
        if !entry.unpack_in(to)? {
            let path = entry.path()?.display().to_string();
            let message = format!("`{path}` leaves the place that is written to");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
    Ok(())
}

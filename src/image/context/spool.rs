//! An archive as a context: its bytes in a file without a name, its entries with their places there.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::engine::{Content, TreeEntry};

const PIECE: usize = 256 * 1024;

pub(super) async fn read(
    mut archive: Pin<Box<dyn AsyncRead + Send>>,
) -> io::Result<Vec<TreeEntry>> {
    let file = blocking(nameless).await?;
    let mut file = Some(file);
    let mut buffer = vec![0; PIECE];
    loop {
        let read = archive.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        let Some(mut open) = file.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        buffer.truncate(read);
        (file, buffer) = blocking(move || {
            open.write_all(&buffer)?;
            buffer.resize(PIECE, 0);
            Ok((Some(open), buffer))
        })
        .await?;
    }
    let Some(file) = file else { return Err(io::ErrorKind::BrokenPipe.into()) };
    blocking(move || entries(file)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A file that is gone however the program ends.
#[cfg(unix)]
fn nameless() -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let directory = std::env::temp_dir();
    for attempt in 0..100u32 {
        let path = directory.join(format!("castoff-{}-{attempt}.tar", std::process::id()));
        let opened =
            File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A file that is gone with its last handle.
#[cfg(windows)]
fn nameless() -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    let path = std::env::temp_dir().join(format!("castoff-{}.tar", std::process::id()));
    File::options().read(true).write(true).create_new(true).custom_flags(DELETE_ON_CLOSE).open(path)
}

fn entries(mut file: File) -> io::Result<Vec<TreeEntry>> {
    file.seek(SeekFrom::Start(0))?;
    let mut entries = Vec::new();
    let shared = Arc::new(file.try_clone()?);
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let path = entry.path()?;
        let Some(path) = path.to_str() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a name in it is no UTF-8"));
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            let message = format!("`{path}` leads out of the context");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if parts.is_empty() {
            continue;
        }
        let header = entry.header();
        let kind = header.entry_type();
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            let link = entry.link_name()?.unwrap_or_default();
            Content::Link(link.to_string_lossy().into_owned())
        } else if kind.is_file() || kind.is_contiguous() {
            Content::Part { file: shared.clone(), offset: entry.raw_file_position() }
        } else if kind.is_hard_link() {
            // The same bytes under another name.
            let link = entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned();
            let link = link.trim_start_matches("./").to_owned();
            let Some(TreeEntry { size, content, mode, modified, .. }) =
                entries.iter().rev().find(|entry: &&TreeEntry| entry.path == link).cloned()
            else {
                continue;
            };
            entries.push(TreeEntry { path: parts.join("/"), mode, modified, size, content });
            continue;
        } else {
            // As for a directory: devices, sockets and the like are left out.
            continue;
        };
        entries.push(TreeEntry {
            path: parts.join("/"),
            mode: header.mode()? & 0o7777,
            modified: i64::try_from(header.mtime()?)
                .unwrap_or_default()
                .saturating_mul(1_000_000_000),
            size: if matches!(content, Content::Part { .. }) { entry.size() } else { 0 },
            content,
        });
    }
    Ok(entries)
}

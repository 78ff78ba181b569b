//! An archive as a context: its bytes in an unnamed file, and its entries with their offsets.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::pax;
use crate::engine::{Content, TreeEntry};

const PIECE: usize = 256 * 1024;

pub(super) async fn read(
    mut archive: Pin<Box<dyn AsyncRead + Send>>,
) -> io::Result<Vec<TreeEntry>> {
    // An unnamed file is removed however the program ends.
    let file = blocking(tempfile::tempfile).await?;
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

fn entries(mut file: File) -> io::Result<Vec<TreeEntry>> {
    file.seek(SeekFrom::Start(0))?;
    let mut entries = Vec::new();
    let shared = Arc::new(file.try_clone()?);
    let mut archive = tar::Archive::new(file);
    // The end of the last entry, and the ranges of extended headers in front of entries' own
    // headers.
    let (mut end, mut extended) = (0, Vec::new());
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let further = end..entry.raw_header_position();
        let stored = stored(&entry)?.checked_next_multiple_of(512).unwrap_or(u64::MAX);
        end = entry.raw_file_position().saturating_add(stored);
        let Some(path) = place(&entry)? else { continue };
        let header = entry.header();
        let kind = header.entry_type();
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            let link = entry.link_name()?.unwrap_or_default();
            Content::Link(link.to_string_lossy().into_owned())
        } else if kind.is_file() || kind.is_contiguous() {
            let offset = entry.raw_file_position();
            Content::Part { file: shared.clone(), offset, capability: None }
        } else if kind.is_fifo() {
            Content::Pipe
        } else if kind.is_hard_link() {
            // The same bytes under another name.
            let link = entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned();
            let link = link.trim_start_matches("./").to_owned();
            let Some(TreeEntry { size, content, mode, modified, .. }) =
                entries.iter().rev().find(|entry: &&TreeEntry| entry.path == link).cloned()
            else {
                continue;
            };
            extended.push((entries.len(), further));
            entries.push(TreeEntry { path, mode, modified, size, content });
            continue;
        } else {
            // As in a directory, devices and the like are left out.
            continue;
        };
        extended.push((entries.len(), further));
        entries.push(TreeEntry {
            path,
            mode: header.mode()? & 0o7777,
            modified: i64::try_from(header.mtime()?)
                .unwrap_or_default()
                .saturating_mul(1_000_000_000),
            size: if matches!(content, Content::Part { .. }) { entry.size() } else { 0 },
            content,
        });
    }
    extend(&mut entries, extended, &shared)?;
    Ok(entries)
}

/// Returns the normalized path of an entry; `None` for the context's root itself.
fn place<R: io::Read>(entry: &tar::Entry<'_, R>) -> io::Result<Option<String>> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    let path = entry.path()?;
    let path = path.to_str().ok_or_else(|| invalid("a name in it is no UTF-8".to_owned()))?;
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(invalid(format!("`{path}` leads out of the context")));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Adds the values of extended headers to entries, by their numbers.
fn extend(
    entries: &mut [TreeEntry],
    extended: Vec<(usize, Range<u64>)>,
    file: &Arc<File>,
) -> io::Result<()> {
    for (number, place) in extended {
        let Some(entry) = entries.get_mut(number).filter(|_| !place.is_empty()) else { continue };
        let (offset, size) = (place.start, place.end - place.start);
        let content = Content::Part { file: file.clone(), offset, capability: None };
        let headers = TreeEntry { path: String::new(), mode: 0, modified: 0, size, content };
        pax::read(headers.open()?)?.add_to(entry);
    }
    Ok(())
}

/// Returns the number of bytes that an entry's content occupies in the archive.
fn stored<R: io::Read>(entry: &tar::Entry<'_, R>) -> io::Result<u64> {
    let sparse = entry.header().entry_type().is_gnu_sparse();
    if sparse { entry.header().entry_size() } else { Ok(entry.size()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{CAPABILITY, Tree};
    use crate::image::context::pack::pack;
    use futures_util::StreamExt as _;

    /// The packed archive has the same entries as the given one.
    #[tokio::test]
    async fn an_archive_keeps_links_pipes_old_times_and_capabilities() {
        let mut tar = tar::Builder::new(Vec::new());
        let key = format!("SCHILY.xattr.{CAPABILITY}");
        let extensions = [("mtime", &b"-1.5"[..]), (key.as_str(), &b"\x01\0\xff\n="[..])];
        tar.append_pax_extensions(extensions).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(3);
        tar.append_data(&mut header, "b", &b"abc"[..]).unwrap();
        // The records of an entry that is left out are dropped with it.
        header.set_entry_type(tar::EntryType::Char);
        header.set_size(0);
        tar.append_pax_extensions([("mtime", &b"7"[..])]).unwrap();
        tar.append_data(&mut header, "device", io::empty()).unwrap();
        for (kind, name, target) in
            [(tar::EntryType::Link, "c", "b"), (tar::EntryType::Fifo, "p", "")]
        {
            header.set_entry_type(kind);
            header.set_size(0);
            match target {
                "" => tar.append_data(&mut header, name, io::empty()).unwrap(),
                target => tar.append_link(&mut header, name, target).unwrap(),
            }
        }
        let given = tar.into_inner().unwrap();
        let read = |bytes: Vec<u8>| super::read(Box::pin(io::Cursor::new(bytes)));
        let tree = Tree::new(read(given).await.unwrap());
        let (_, mut sent) = pack(Arc::new(tree), "FROM x".to_owned()).await.unwrap();
        let mut packed = Vec::new();
        while let Some(piece) = sent.next().await {
            packed.extend_from_slice(&piece.unwrap());
        }
        let raw: Vec<_> = tar::Archive::new(&packed[..])
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().header().entry_type())
            .collect();
        assert!(raw.contains(&tar::EntryType::Link) && raw.contains(&tar::EntryType::Fifo));
        let tree = Tree::new(read(packed).await.unwrap());
        let at = |path: &str| tree.entries().iter().position(|entry| entry.path == path).unwrap();
        let file = &tree.entries()[at("b")];
        // The classic builder's archive has whole seconds.
        assert_eq!((file.modified, file.size), (-2_000_000_000, 3));
        assert_eq!(file.capability().unwrap()[..], b"\x01\0\xff\n="[..]);
        assert_eq!(tree.link(at("c")), Some(at("b")));
        let pipe = &tree.entries()[at("p")];
        assert!(matches!(pipe.content, Content::Pipe) && pipe.modified == 0);
        assert_eq!(tree.entries()[at("c")].modified, 0);
    }
}

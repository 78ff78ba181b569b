//! A context as a tar archive, made as it is sent.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use super::hidden::hide;
use crate::engine::{CAPABILITY, Content, TarStream, Tree, TreeEntry};
use crate::error::{Error, ErrorKind, Result};
use crate::exactly::Exactly;

/// The size of the pieces that are sent, and how many may be under way.
const PIECE: usize = 256 * 1024;
const UNDER_WAY: usize = 4;

/// Packs a tree in its order, with a Dockerfile in it; gives the latter's path as well. The same tree
/// gives the same bytes.
pub(in crate::image) async fn pack(
    tree: Arc<Tree>,
    dockerfile: String,
) -> Result<(String, TarStream)> {
    let hiding = tokio::task::spawn_blocking(move || hide(&tree, &dockerfile)).await;
    let hidden = hiding.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
        Error::new(ErrorKind::Io, "the build's context can't be read")
            .with_source(error)
            .at("context")
    })?;
    Ok((hidden.name, packed(hidden.tree)))
}

fn packed(tree: Arc<Tree>) -> TarStream {
    let (pieces, sent) = mpsc::channel(UNDER_WAY);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { pieces, buffer: BytesMut::with_capacity(PIECE) };
        if let Err(error) = write(&mut pipe, &tree) {
            // Nobody listens any more when the request has ended.
            let _ = pipe.pieces.blocking_send(Err(error));
        }
    });
    Box::pin(futures_util::stream::unfold(sent, |mut sent| async move {
        Some((sent.recv().await?, sent))
    }))
}

fn write(pipe: &mut Pipe, tree: &Tree) -> io::Result<()> {
    let mut tar = Builder::new(&mut *pipe);
    for (number, entry) in tree.entries().iter().enumerate() {
        let link = tree.link(number).map(|first| &*tree.entries()[first].path);
        append(&mut tar, entry, link)?;
    }
    tar.finish()?;
    drop(tar);
    pipe.flush()
}

fn append(tar: &mut Builder<&mut Pipe>, entry: &TreeEntry, link: Option<&str>) -> io::Result<()> {
    let seconds = entry.modified.div_euclid(1_000_000_000);
    // The header itself has no room for these.
    let early = (seconds < 0).then(|| seconds.to_string());
    let early = early.as_ref().map(|seconds| ("mtime".to_owned(), seconds.as_bytes()));
    let capability = entry.capability().filter(|_| link.is_none());
    let capability = capability.map(|value| (format!("SCHILY.xattr.{CAPABILITY}"), &value[..]));
    let further: Vec<_> = early.into_iter().chain(capability).collect();
    if !further.is_empty() {
        tar.append_pax_extensions(further.iter().map(|(key, value)| (key.as_str(), *value)))?;
    }
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(seconds).unwrap_or_default());
    header.set_size(entry.size);
    if let Some(target) = link {
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        return tar.append_link(&mut header, &entry.path, target);
    }
    match &entry.content {
        Content::Directory => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, format!("{}/", entry.path), io::empty())
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, &entry.path, target)
        }
        Content::Pipe => {
            header.set_entry_type(EntryType::Fifo);
            tar.append_data(&mut header, &entry.path, io::empty())
        }
        _ => {
            header.set_entry_type(EntryType::Regular);
            let content = Exactly::new(entry.open()?, entry.size, &entry.path);
            tar.append_data(&mut header, &entry.path, content)
        }
    }
}

/// Collects what is written into pieces and sends them.
struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = self.buffer.split().freeze();
        self.buffer.reserve(PIECE);
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

//! A context as a tar archive, generated while it is sent.

use std::io;
use std::sync::Arc;

use tar::{Builder, EntryType, Header};

use super::hidden::hide;
use crate::engine::{CAPABILITY, Content, Tree, TreeEntry};
use crate::error::{Error, ErrorKind, Result};
use crate::exactly::Exactly;
use crate::tar_stream::{Pipe, TarStream, written};

/// Packs a tree in its order, together with a Dockerfile, whose path is returned as well. The same
/// tree gives the same bytes.
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
    Ok((hidden.name, written(&[], move |pipe| write(pipe, &hidden.tree))))
}

fn write(pipe: &mut Pipe, tree: &Tree) -> io::Result<()> {
    let mut tar = Builder::new(pipe);
    for (number, entry) in tree.entries().iter().enumerate() {
        let link = tree.link(number).map(|first| &*tree.entries()[first].path);
        append(&mut tar, entry, link)?;
    }
    tar.finish()
}

fn append(tar: &mut Builder<&mut Pipe>, entry: &TreeEntry, link: Option<&str>) -> io::Result<()> {
    let seconds = entry.modified.div_euclid(1_000_000_000);
    // The header itself can't hold negative times and attributes.
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

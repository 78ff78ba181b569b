//! Extraction of a link from the archive of its directory.

use std::io;
use std::path::{Component, Path};

use bytes::Bytes;
use futures_util::stream;
use tar::{Archive, Builder, EntryType};

use super::unpack::{Chunks, through_blocking};
use crate::engine::ChunkReader;
use crate::error::Result;
use crate::untar::ShortNames;

/// Returns an archive of the link `name` alone, from the archive of its directory; `None` if that
/// contains no such link. Stops reading once the link is found.
///
/// `below` is the number of names in the link's path in the archive.
pub(super) async fn link_alone(chunks: Chunks, name: &str, below: usize) -> Result<Option<Chunks>> {
    let name = name.to_owned();
    let found = through_blocking(chunks, move |source| find(source, &name, below)).await?;
    Ok(found.map(|tar| Box::pin(stream::iter([Ok(Bytes::from(tar))])) as Chunks))
}

fn find(source: ChunkReader, name: &str, below: usize) -> io::Result<Option<Vec<u8>>> {
    let mut archive = Archive::new(ShortNames::new(source));
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?;
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        if names.count() != below || path.file_name() != Path::new(name).file_name() {
            continue;
        }
        if entry.header().entry_type() != EntryType::Symlink {
            return Ok(None);
        }
        let mut tar = Builder::new(Vec::new());
        let target = entry.link_name()?.unwrap_or_default().into_owned();
        tar.append_link(&mut entry.header().clone(), name, target)?;
        return tar.into_inner().map(Some);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tar::Header;

    use super::*;

    fn directory() -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        let mut append = |kind, path: &str, target: &str| {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mtime(981_173_106);
            header.set_size(0);
            match kind {
                EntryType::Symlink => tar.append_link(&mut header, path, target).unwrap(),
                _ => tar.append_data(&mut header, path, io::empty()).unwrap(),
            }
        };
        append(EntryType::Directory, "d/", "");
        append(EntryType::Directory, "d/a/", "");
        append(EntryType::Symlink, "d/a/link", "other");
        append(EntryType::Regular, "d/file", "");
        append(EntryType::Symlink, "d/link", &format!("../{}", "x/".repeat(90)));
        tar.into_inner().unwrap()
    }

    async fn found(name: &str, below: usize) -> Option<(PathBuf, PathBuf, u64)> {
        // The endless rest of the archive after the link is not read.
        let first = stream::iter([Ok(Bytes::from(directory()))]);
        let more = || Ok(Bytes::from_static(&[0; 512]));
        let endless = Box::pin(futures_util::StreamExt::chain(first, stream::repeat_with(more)));
        let endless = if name == "link" { endless as Chunks } else { whole() };
        let mut alone = link_alone(endless, name, below).await.unwrap()?;
        let tar = futures_util::StreamExt::next(&mut alone).await.unwrap().unwrap();
        let mut archive = Archive::new(&tar[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let target = entry.link_name().unwrap().unwrap().into_owned();
        Some((entry.path().unwrap().into_owned(), target, entry.header().mtime().unwrap()))
    }

    fn whole() -> Chunks {
        Box::pin(stream::iter([Ok(Bytes::from(directory()))]))
    }

    #[tokio::test]
    async fn the_link_of_that_name_in_that_directory_is_found() {
        let target = format!("../{}", "x/".repeat(90));
        let there = found("link", 2).await.unwrap();
        assert_eq!(there, ("link".into(), target.into(), 981_173_106));
        assert_eq!(found("file", 2).await, None, "no link");
        assert_eq!(found("none", 2).await, None);
    }
}

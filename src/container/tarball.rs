//! [`Tarball`]: an archive that is copied into a container unchanged.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tar::{Archive, EntryType};

use crate::error::{Error, Result};
use crate::untar::ShortNames;

/// Magic bytes and names of the common compressed formats.
const COMPRESSED: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b], "gzip"),
    (b"BZh", "bzip2"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
];

/// The bytes or the file of an archive.
#[derive(Clone)]
pub(super) enum Tarball {
    Bytes(Bytes),
    Path(PathBuf),
}

impl Tarball {
    /// Checks the whole archive before any of it is sent. Returns its paths, relative to the
    /// target.
    pub(super) async fn check(self) -> Result<BTreeSet<String>> {
        let name = self.name();
        let checked = tokio::task::spawn_blocking(move || names_in(self.open()?.0)).await;
        let checked = checked.map_err(|error| Error::other("copying failed").with_source(error))?;
        checked.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                Error::from(io::Error::new(error.kind(), format!("{name}: {error}")))
            }
            _ => Error::invalid("copy source", format!("{name}: {error}")),
        })
    }

    /// Returns the name of the archive for errors.
    pub(super) fn name(&self) -> String {
        match self {
            Tarball::Bytes(bytes) => format!("the archive of {} bytes", bytes.len()),
            Tarball::Path(path) => path.display().to_string(),
        }
    }

    /// Returns a reader of the archive, and its length. Blocks.
    pub(super) fn open(&self) -> io::Result<(Box<dyn Read + Send>, u64)> {
        match self {
            Tarball::Bytes(bytes) => {
                Ok((Box::new(io::Cursor::new(bytes.clone())), bytes.len() as u64))
            }
            Tarball::Path(path) => {
                let file = File::open(path)?;
                let there = file.metadata()?;
                if !there.is_file() {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a file"));
                }
                Ok((Box::new(file), there.len()))
            }
        }
    }
}

fn names_in(archive: Box<dyn Read + Send>) -> io::Result<BTreeSet<String>> {
    let mut archive = BufReader::new(archive);
    let start = io::BufRead::fill_buf(&mut archive)?;
    if start.is_empty() {
        return Err(wrong("is empty, and so no archive"));
    }
    if let Some((_, format)) = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        let why = format!(
            "is compressed by {format}, and only a plain tar is copied; decompress it first, as by \
             `{format} -d`"
        );
        return Err(wrong(why));
    }
    let mut archive = Archive::new(ShortNames::new(archive));
    let mut names = BTreeSet::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        names.insert(confined(&path)?);
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Link => {
                let to = entry.link_name()?.unwrap_or_default().into_owned();
                confined(&to)?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Directory | EntryType::Symlink | EntryType::Fifo => {}
            EntryType::Char | EntryType::Block => {}
            other => {
                let kind = char::from(other.as_byte());
                return Err(wrong(format!("`{}` is of an unknown kind, `{kind}`", path.display())));
            }
        }
        // The whole entry must be present.
        let (size, sparse) = (entry.size(), kind == EntryType::GNUSparse);
        let read = io::copy(&mut entry, &mut io::sink())?;
        if read < size && !sparse {
            let why = format!("ends after {read} of the {size} bytes of `{}`", path.display());
            return Err(wrong(why));
        }
    }
    Ok(names)
}

/// Returns a path below the target as text; fails if it leads out of the target.
fn confined(path: &Path) -> io::Result<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => {
                return Err(wrong(format!("`{}` leaves the target by `..`", path.display())));
            }
            Component::RootDir | Component::Prefix(_) => {
                let why = format!("`{}` is absolute, not below the target", path.display());
                return Err(wrong(why));
            }
        }
    }
    Ok(parts.join("/"))
}

fn wrong(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;
    use crate::error::ErrorKind;

    /// Returns an archive of one entry, with names that the tar crate's builder would refuse.
    fn one(kind: EntryType, path: &str, link: &str) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        let content = if kind == EntryType::Regular { &b"content"[..] } else { b"" };
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut tar = Builder::new(Vec::new());
        tar.append(&header, content).unwrap();
        tar.into_inner().unwrap()
    }

    #[tokio::test]
    async fn what_stays_below_the_target_is_taken() {
        for (kind, path, link, name) in [
            (EntryType::Regular, "./a/b", "", "a/b"),
            (EntryType::Directory, "./", "", ""),
            (EntryType::Symlink, "l", "../../etc", "l"),
            (EntryType::Link, "h", "a/b", "h"),
            (EntryType::Fifo, "pipe", "", "pipe"),
        ] {
            let names = Tarball::Bytes(one(kind, path, link).into()).check().await.unwrap();
            assert_eq!(names, BTreeSet::from([name.to_owned()]), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_before_anything_is_sent() {
        let file = |path| one(EntryType::Regular, path, "");
        let mut short = file("a");
        short.truncate(515);
        let mut broken = file("a");
        broken[3] = b'x';
        for (bytes, why) in [
            (file("../a"), "`../a` leaves the target"),
            (file("a/../../b"), "`a/../../b` leaves the target"),
            (file("/etc/a"), "`/etc/a` is absolute"),
            (one(EntryType::Link, "h", "../a"), "`../a` leaves the target"),
            (one(EntryType::new(b'Z'), "z", ""), "`z` is of an unknown kind, `Z`"),
            (short, "3 of the 7 bytes of `a`"),
            (broken, "checksum"),
            (vec![0x1f, 0x8b, 8, 0], "compressed by gzip, and only a plain tar"),
            (b"BZh9".to_vec(), "`bzip2 -d`"),
            (Vec::new(), "is empty"),
            (b"no archive at all".to_vec(), "the archive of 17 bytes"),
        ] {
            let error = Tarball::Bytes(bytes.into()).check().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
            assert!(format!("{error:?}").contains(why), "{why}: {error:?}");
        }
        let error = Tarball::Path("/no/such.tar".into()).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(format!("{error:?}").contains("/no/such.tar"), "{error:?}");
    }
}

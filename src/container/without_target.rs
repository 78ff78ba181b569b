//! [`WithoutTarget`]: an archive without its entry for the directory that it is unpacked into.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::{EntryType, Header, PaxExtensions};

const BLOCK: usize = 512;

/// Limit for the bytes of an extended header that are held until its entry is known.
const LONGEST: u64 = 1024 * 1024;

/// A reader that drops the archive's entries for the target itself (`./`), with their extended
/// headers. Everything else is passed on byte for byte.
///
/// Docker ignores such an entry; Podman and `tar` apply its mode and owner to the directory, which
/// other programs may rely on.
pub(super) struct WithoutTarget<R> {
    archive: R,
    /// Extended headers whose entry has not been read yet.
    held: Vec<u8>,
    /// The name and size of that entry, if they give them.
    name: Option<PathBuf>,
    size: Option<u64>,
    /// The bytes to pass on before more are read, and how many of them were.
    ready: Vec<u8>,
    passed: usize,
    /// The remaining bytes of the current entry's body.
    body: u64,
    /// Whether the next block continues the map of a sparse file.
    map: bool,
    /// Whether the archive has ended or is unreadable: the rest is passed on unchanged.
    ended: bool,
}

impl<R: Read> WithoutTarget<R> {
    pub(super) fn new(archive: R) -> WithoutTarget<R> {
        WithoutTarget {
            archive,
            held: Vec::new(),
            name: None,
            size: None,
            ready: Vec::new(),
            passed: 0,
            body: 0,
            map: false,
            ended: false,
        }
    }

    /// Reads the next block that is not content, and queues the bytes to pass on.
    fn next_block(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.passed = 0;
        let mut block = Vec::with_capacity(BLOCK);
        self.archive.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        let whole = block.len() == BLOCK && block.iter().any(|byte| *byte != 0);
        if !whole {
            self.ended = true;
            return self.pass_on(&block);
        }
        if self.map {
            self.map = block.get(504) != Some(&0);
            return self.pass_on(&block);
        }
        let header = Header::from_byte_slice(&block);
        let Ok(size) = header.entry_size() else {
            self.ended = true;
            return self.pass_on(&block);
        };
        let kind = header.entry_type();
        if matches!(kind, EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink)
            && size <= LONGEST
        {
            return self.hold(kind, &block, size);
        }
        let size = self.size.take().unwrap_or(size);
        let name = match self.name.take() {
            Some(name) => name,
            None => header.path()?.into_owned(),
        };
        if kind == EntryType::Directory && size == 0 && is_target(&name) {
            self.held.clear();
            return Ok(());
        }
        self.body = (size.div_ceil(BLOCK as u64)).saturating_mul(BLOCK as u64);
        self.map =
            header.as_gnu().is_some_and(|it| kind == EntryType::GNUSparse && it.is_extended());
        self.pass_on(&block)
    }

    /// Holds an extended header until its entry is read.
    fn hold(&mut self, kind: EntryType, block: &[u8], size: u64) -> io::Result<()> {
        self.held.extend_from_slice(block);
        let begin = self.held.len();
        let padded = size.next_multiple_of(BLOCK as u64);
        self.archive.by_ref().take(padded).read_to_end(&mut self.held)?;
        let content = self.held.get(begin..).unwrap_or_default();
        let content = content.get(..usize::try_from(size).unwrap_or(0)).unwrap_or(content);
        match kind {
            EntryType::GNULongName => {
                let name = content.split(|byte| *byte == 0).next().unwrap_or_default();
                self.name = Some(PathBuf::from(String::from_utf8_lossy(name).into_owned()));
            }
            EntryType::XHeader => {
                for record in PaxExtensions::new(content).flatten() {
                    match (record.key(), record.value()) {
                        (Ok("path"), Ok(path)) => self.name = Some(path.into()),
                        (Ok("size"), Ok(size)) => self.size = size.parse().ok(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pass_on(&mut self, block: &[u8]) -> io::Result<()> {
        self.ready.append(&mut self.held);
        self.ready.extend_from_slice(block);
        Ok(())
    }
}

impl<R: Read> Read for WithoutTarget<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready = self.ready.get(self.passed..).unwrap_or_default();
            if !ready.is_empty() {
                let length = ready.len().min(into.len());
                into[..length].copy_from_slice(&ready[..length]);
                self.passed += length;
                return Ok(length);
            }
            if self.ended {
                return self.archive.read(into);
            }
            if self.body > 0 && !self.map {
                let read = self.archive.by_ref().take(self.body).read(into)?;
                self.body -= read as u64;
                self.ended = read == 0 && !into.is_empty();
                return Ok(read);
            }
            self.next_block()?;
        }
    }
}

/// Returns whether this is the name of the directory that an archive is unpacked into.
fn is_target(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::CurDir))
}

#[cfg(test)]
mod tests {
    use tar::{Archive, Builder};

    use super::*;

    /// Appends an entry, with extended headers before it.
    fn append(tar: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, content: &[u8], time: &str) {
        if !time.is_empty() {
            tar.append_pax_extensions([("mtime", time.as_bytes())]).unwrap();
        }
        let mut header = Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o700);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }

    fn read(archive: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        WithoutTarget::new(archive).read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn the_target_goes_with_its_headers_and_nothing_else_does() {
        use EntryType::{Directory, Regular, Symlink};
        let (content, long) = (vec![7; 1300], format!("sub/{}", "x".repeat(150)));
        let pack = |targets: &[&str]| {
            let mut tar = Builder::new(Vec::new());
            let target = |tar: &mut Builder<Vec<u8>>| {
                for name in targets {
                    append(tar, Directory, name, b"", "981173106.5");
                }
            };
            target(&mut tar);
            append(&mut tar, Directory, "./sub/", b"", "7.25");
            append(&mut tar, Regular, "./sub/file", &content, "8.5");
            target(&mut tar);
            let mut header = Header::new_gnu();
            header.set_entry_type(Regular);
            header.set_size(3);
            tar.append_data(&mut header, &long, &b"end"[..]).unwrap();
            // A link of that name is not an entry of the target.
            append(&mut tar, Symlink, ".", b"", "");
            target(&mut tar);
            tar.into_inner().unwrap()
        };
        assert_eq!(read(&pack(&["./", ".", "././"])), pack(&[]));
        let names: Vec<_> = Archive::new(&read(&pack(&["."]))[..])
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        let expected = ["./sub/", "./sub/file", &long, "."];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn what_a_longer_name_is_of_is_not_the_target() {
        let mut tar = Builder::new(Vec::new());
        tar.append_pax_extensions([("path", &b"sub"[..])]).unwrap();
        append(&mut tar, EntryType::Directory, "./", b"", "");
        let tar = tar.into_inner().unwrap();
        assert_eq!(read(&tar), tar);
    }

    #[test]
    fn what_is_no_archive_is_passed_on() {
        for bytes in [&b""[..], &[7; 100], &[0; 1024], &[b'x'; 5000]] {
            assert_eq!(read(bytes), bytes);
        }
    }
}

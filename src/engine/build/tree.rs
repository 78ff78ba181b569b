//! [`Tree`]: the files of a build's context, without their content.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

/// Files and directories in BuildKit's order: parents first, names by their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    entries: Vec<TreeEntry>,
    /// The number of the first file with the same content, for each further name of a file.
    links: HashMap<usize, usize>,
}

/// A file or directory.
#[derive(Clone, Debug)]
pub(crate) struct TreeEntry {
    /// The relative path, with slashes.
    pub(crate) path: String,
    /// The permissions, with the bits for setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// The modification time in nanoseconds since 1970; negative before it.
    pub(crate) modified: i64,
    /// The size of a file in bytes.
    pub(crate) size: u64,
    pub(crate) content: Content,
}

/// The type of an entry, and the source of its content.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Directory,
    File {
        path: PathBuf,
        /// The device and inode of a file with several names.
        inode: Option<(u64, u64)>,
        /// The value of the attribute [`CAPABILITY`].
        capability: Option<Bytes>,
    },
    Bytes(Bytes),
    /// A part of a file that no other process has open.
    Part {
        file: Arc<File>,
        offset: u64,
        capability: Option<Bytes>,
    },
    Link(String),
    /// A named pipe.
    Pipe,
}

/// The one extended attribute that `docker build` sends: capabilities of a program.
pub(crate) const CAPABILITY: &str = "security.capability";

impl Tree {
    /// Sorts the entries. Of several with one path the last one stays.
    pub(crate) fn new(mut entries: Vec<TreeEntry>) -> Tree {
        entries.sort_by(|one, other| compare(&one.path, &other.path));
        entries.reverse();
        entries.dedup_by(|one, other| one.path == other.path);
        entries.reverse();
        let mut first = HashMap::new();
        let mut links = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            if let Some(identity) = entry.identity() {
                let file = *first.entry(identity).or_insert(number);
                if file != number {
                    links.insert(number, file);
                }
            }
        }
        Tree { entries, links }
    }

    /// Returns the number of the first file that has the same content under another name.
    pub(crate) fn link(&self, number: usize) -> Option<usize> {
        self.links.get(&number).copied()
    }

    pub(crate) fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }
}

/// Compares two paths so that a directory's content follows it: a slash sorts before all other
/// bytes.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let low = |byte: u8| if byte == b'/' { 0 } else { byte };
    one.bytes().map(low).cmp(other.bytes().map(low))
}

impl TreeEntry {
    /// Opens a file's content; blocks. It ends after the size that the file had when the tree was
    /// made.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let told = |path: &PathBuf, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        Ok(match &self.content {
            Content::Directory | Content::Link(_) | Content::Pipe => Box::new(io::empty()),
            Content::File { path, .. } => {
                let file = File::open(path).map_err(|error| told(path, error))?;
                Box::new(file.take(self.size))
            }
            Content::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Content::Part { file, offset, .. } => {
                Box::new(Part { file: file.clone(), offset: *offset, left: self.size })
            }
        })
    }

    pub(crate) fn is_file(&self) -> bool {
        !matches!(self.content, Content::Directory | Content::Link(_) | Content::Pipe)
    }

    pub(crate) fn capability(&self) -> Option<&Bytes> {
        match &self.content {
            Content::File { capability, .. } | Content::Part { capability, .. } => {
                capability.as_ref()
            }
            _ => None,
        }
    }

    /// Returns a value that all names of a file share.
    fn identity(&self) -> Option<(u64, u64)> {
        match &self.content {
            Content::File { inode, .. } => *inode,
            // A context has one archive, and no file has this device.
            Content::Part { offset, .. } => Some((u64::MAX, *offset)),
            _ => None,
        }
    }
}

struct Part {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = read_at(&self.file, &mut buffer[..most], self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directorys_content_comes_right_behind_it() {
        let entry = |path: &str| TreeEntry {
            path: path.to_owned(),
            mode: 0o644,
            modified: 0,
            size: 0,
            content: Content::Bytes(Bytes::new()),
        };
        let tree = Tree::new(["a-b", "a/c", "a", "b", "a/b/x", "a/b", "a"].map(entry).into());
        let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/x", "a/c", "a-b", "b"]);
    }
}

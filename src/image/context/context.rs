//! [`BuildContext`]: a directory, files in memory, or an archive.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::io::AsyncRead;

use super::digest::digest;
use super::dockerignore::Ignore;
use super::{spool, walk};
use crate::engine::{Content, Tree, TreeContext, TreeEntry};
use crate::error::{Error, Result};

/// The files that a build may copy from: a directory, files in memory, an archive, or a mix of
/// these.
///
/// Files that `.dockerignore` matches are left out, by Docker's own rules; a `.dockerignore` named
/// after the Dockerfile (`Dockerfile.dockerignore`) takes precedence. Files are read when the
/// builder requests them, so a large context needs no more memory than a small one. All files
/// belong to root, as with `docker build`; modes and mtimes are those of the files. Hard links are
/// sent as links, and named pipes and the attribute `security.capability` are sent as well; sockets
/// and devices are left out. Engines differ in what a `COPY` keeps of these.
///
/// ```no_run
/// use castoff::image::BuildContext;
///
/// let context = BuildContext::directory("./service")
///     .with_file("version.txt", "1.2.3")
///     .with_ignore(["target", "**/*.log"]);
/// ```
#[derive(Clone, Default)]
pub struct BuildContext {
    directory: Option<PathBuf>,
    archive: Option<Archive>,
    files: Vec<TreeEntry>,
    ignore: Vec<String>,
    modified: Option<SystemTime>,
}

/// An archive that was not read yet, or its entries. Clones share it, as it can be read only once.
type Archive = Arc<Mutex<Spool>>;

enum Spool {
    Unread(Pin<Box<dyn AsyncRead + Send>>),
    Read(Vec<TreeEntry>),
    Lost,
}

impl BuildContext {
    /// Creates an empty context.
    #[must_use]
    pub fn empty() -> BuildContext {
        BuildContext::default()
    }

    /// Creates a context of a directory and its contents.
    pub fn directory(path: impl Into<PathBuf>) -> BuildContext {
        BuildContext { directory: Some(path.into()), ..BuildContext::default() }
    }

    /// Creates a context of an uncompressed tar archive. It is read into an unnamed temporary file,
    /// which is removed with the context.
    pub fn tar(archive: impl AsyncRead + Send + 'static) -> BuildContext {
        let archive = Arc::new(Mutex::new(Spool::Unread(Box::pin(archive))));
        BuildContext { archive: Some(archive), ..BuildContext::default() }
    }

    /// Adds a file in memory, with mode 0644, ignored or not. It replaces an existing file of the
    /// same path, and its parent directories are created.
    #[must_use]
    pub fn with_file(self, path: impl Into<String>, content: impl Into<Bytes>) -> BuildContext {
        self.with_file_mode(path, content, 0o644)
    }

    /// Adds a file as [`with_file`](Self::with_file) does, with a mode.
    #[must_use]
    pub fn with_file_mode(
        mut self,
        path: impl Into<String>,
        content: impl Into<Bytes>,
        mode: u32,
    ) -> BuildContext {
        let content = content.into();
        self.files.push(TreeEntry {
            path: path.into(),
            mode: mode & 0o7777,
            modified: 0,
            size: content.len() as u64,
            content: Content::Bytes(content),
        });
        self
    }

    /// Adds patterns in the form of a `.dockerignore`, after the existing ones.
    #[must_use]
    pub fn with_ignore(
        mut self,
        patterns: impl IntoIterator<Item = impl Into<String>>,
    ) -> BuildContext {
        self.ignore.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Sets one mtime for all files, for reproducible images. Default: the mtime of each file, and
    /// 1970 for files in memory.
    #[must_use]
    pub fn with_modified(mut self, time: SystemTime) -> BuildContext {
        self.modified = Some(time);
        self
    }

    /// Lists the files, without reading their contents. `dockerfile` is the path of the Dockerfile,
    /// if it is one of them.
    pub(in crate::image) async fn prepare(&self, dockerfile: Option<&str>) -> Result<Prepared> {
        let archive = self.unpacked().await?;
        let (context, dockerfile) = (self.clone(), dockerfile.map(str::to_owned));
        let prepared = tokio::task::spawn_blocking(move || {
            context.prepare_blocking(archive, dockerfile.as_deref())
        });
        prepared
            .await
            .map_err(|error| Error::other("looking at the context failed").with_source(error))?
    }

    async fn unpacked(&self) -> Result<Vec<TreeEntry>> {
        let Some(archive) = &self.archive else { return Ok(Vec::new()) };
        let lock = || archive.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = {
            let mut spool = lock();
            match &*spool {
                Spool::Read(entries) => return Ok(entries.clone()),
                _ => std::mem::replace(&mut *spool, Spool::Lost),
            }
        };
        let Spool::Unread(reader) = taken else {
            return Err(Error::invalid(
                "context",
                "the archive was read by another build that failed",
            ));
        };
        let entries = spool::read(reader).await.map_err(|error| {
            Error::invalid("context", "the archive can't be read").with_source(error)
        })?;
        *lock() = Spool::Read(entries.clone());
        Ok(entries)
    }

    fn prepare_blocking(
        &self,
        mut entries: Vec<TreeEntry>,
        dockerfile: Option<&str>,
    ) -> Result<Prepared> {
        let specific = dockerfile.map(|path| format!("{path}.dockerignore"));
        let candidates = specific.iter().map(String::as_str).chain([".dockerignore"]);
        let mut ignore = Ignore::default();
        for candidate in candidates {
            if let Some(text) = self.read_text(&entries, candidate)? {
                ignore = Ignore::parse(&text)
                    .map_err(|error| Error::invalid(candidate, error.to_string()))?;
                break;
            }
        }
        if !self.ignore.is_empty() {
            ignore = ignore
                .with(&self.ignore)
                .map_err(|error| Error::invalid("context", format!("with_ignore: {error}")))?;
        }
        let text = match dockerfile {
            Some(path) => self.read_text(&entries, path)?,
            None => None,
        };
        entries.retain(|entry| !ignore.excludes(&entry.path));
        if let Some(directory) = &self.directory {
            entries.extend(walk::walk(directory, &ignore)?);
        }
        for file in &self.files {
            let path = confined(&file.path)?;
            entries.push(TreeEntry { path, ..file.clone() });
        }
        entries.extend(missing_parents(&entries));
        if let Some(time) = self.modified {
            let nanos = walk::nanos(time);
            for entry in &mut entries {
                entry.modified = nanos;
            }
        }
        let tree = Tree::new(entries);
        let key = self.key(&tree)?;
        let context = TreeContext { tree: Arc::new(tree), key };
        Ok(Prepared { context, dockerfile: text })
    }

    /// Returns the text of a file in the context, ignored or not.
    fn read_text(&self, archive: &[TreeEntry], path: &str) -> Result<Option<String>> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let path = confined(path)?;
        if let Some(file) =
            self.files.iter().rev().find(|file| confined(&file.path).is_ok_and(|p| p == path))
        {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file.open()?, &mut bytes)?;
            return Ok(Some(text(bytes)));
        }
        if let Some(directory) = &self.directory {
            let file = directory.join(&path);
            match std::fs::read(&file) {
                Ok(bytes) => return Ok(Some(text(bytes))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("{} can't be read", file.display());
                    return Err(Error::new(crate::ErrorKind::Io, message).with_source(error));
                }
            }
        }
        match archive.iter().rev().find(|entry| entry.path == path && entry.is_file()) {
            Some(entry) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry.open()?, &mut bytes)?;
                Ok(Some(text(bytes)))
            }
            None => Ok(None),
        }
    }

    /// Key of this directory in BuildKit's cache of local sources. It goes by
    /// sizes and times, so what these do not tell has to be in the key.
    fn key(&self, tree: &Tree) -> std::io::Result<String> {
        let mut hash = Sha256::new();
        if let Some(directory) = &self.directory {
            let path = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
            hash.update(path.as_os_str().as_encoded_bytes());
        }
        for file in &self.files {
            hash.update(b"\0");
            hash.update(&file.path);
            if let Content::Bytes(bytes) = &file.content {
                hash.update(bytes);
            }
        }
        // The mtimes of these files do not reflect their contents.
        if self.modified.is_some() || self.archive.is_some() {
            hash.update(digest(tree)?);
        }
        Ok(hex::encode(&hash.finalize()[..12]))
    }
}

/// A context whose files were listed.
#[derive(Clone, Default)]
pub(in crate::image) struct Prepared {
    pub(in crate::image) context: TreeContext,
    /// The Dockerfile's text, if it was requested and exists.
    pub(in crate::image) dockerfile: Option<String>,
}

/// Normalizes a path; fails if it leads out of the context.
fn confined(path: &str) -> Result<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                return Err(Error::invalid(
                    "context",
                    format!("`{path}` leads out of the context"),
                ));
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(Error::invalid("context", format!("`{path}` names no file")));
    }
    Ok(parts.join("/"))
}

fn missing_parents(entries: &[TreeEntry]) -> Vec<TreeEntry> {
    let mut known: std::collections::HashSet<&str> =
        entries.iter().map(|entry| entry.path.as_str()).collect();
    let mut missing = Vec::new();
    for entry in entries {
        let mut path = entry.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            if !known.insert(parent) {
                break;
            }
            missing.push(TreeEntry {
                path: parent.to_owned(),
                mode: 0o755,
                modified: 0,
                size: 0,
                content: Content::Directory,
            });
            path = parent;
        }
    }
    missing
}

impl From<&str> for BuildContext {
    fn from(path: &str) -> BuildContext {
        BuildContext::directory(path)
    }
}

impl From<String> for BuildContext {
    fn from(path: String) -> BuildContext {
        BuildContext::directory(path)
    }
}

impl From<&Path> for BuildContext {
    fn from(path: &Path) -> BuildContext {
        BuildContext::directory(path)
    }
}

impl From<PathBuf> for BuildContext {
    fn from(path: PathBuf) -> BuildContext {
        BuildContext::directory(path)
    }
}

impl From<&PathBuf> for BuildContext {
    fn from(path: &PathBuf) -> BuildContext {
        BuildContext::directory(path)
    }
}

impl BuildContext {
    /// Describes the location of the context, for messages.
    pub(in crate::image) fn place(&self) -> String {
        match (&self.directory, self.files.len()) {
            (Some(path), _) => path.display().to_string(),
            (None, _) if self.archive.is_some() => "an archive".to_owned(),
            (None, 0) => "which is empty".to_owned(),
            (None, files) => format!("of {files} files in memory"),
        }
    }
}

impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildContext")
            .field("directory", &self.directory)
            .field("archive", &self.archive.is_some())
            .field("files", &self.files.iter().map(|file| &file.path).collect::<Vec<_>>())
            .field("ignore", &self.ignore)
            .finish_non_exhaustive()
    }
}

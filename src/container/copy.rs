//! [`CopySource`]: content to copy into a container.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::kept::kept;
use super::pack;
use super::tarball::Tarball;
use super::tmpfs;
use crate::engine::{Client, InMemory, Way};
use crate::error::{Error, ErrorKind, Result};
use crate::tar_stream::TarStream;

/// What is copied into a container: bytes, a file or directory, a reader, or an archive.
///
/// Files keep their mode and time (one before 1970 becomes the first second of that year, as Docker
/// has no earlier ones), bytes and readers get 0644 and now; owner and group are 0 unless set. Links
/// stay links, unless [`with_followed_links`](Self::with_followed_links) says otherwise.
/// Nothing is held in memory but the bytes that are given as such.
///
/// It is not `Clone`, as a reader can be read once only.
#[derive(Debug)]
#[must_use = "it has to be given to `with_copy` or `copy_to`"]
pub struct CopySource {
    pub(super) content: Content,
    pub(super) mode: Option<u32>,
    pub(super) owner: (u64, u64),
    pub(super) follow: bool,
    /// A key that stands for the content when it is hashed for `shared`.
    pub(super) identity: Option<String>,
}

pub(super) enum Content {
    Bytes(Bytes),
    Path(PathBuf),
    /// Nobody locks it: the mutex makes a builder `Sync` whose reader need not be.
    Reader {
        reader: Mutex<Pin<Box<dyn AsyncRead + Send>>>,
        length: u64,
    },
    Tar(Tarball),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Content::Path(path) => write!(f, "{}", path.display()),
            Content::Reader { length, .. } => write!(f, "reader of {length} bytes"),
            Content::Tar(tarball) => write!(f, "{}, unpacked", tarball.name()),
        }
    }
}

impl CopySource {
    fn new(content: Content) -> Self {
        CopySource { content, mode: None, owner: (0, 0), follow: false, identity: None }
    }

    /// Creates a file with these bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Bytes(Bytes::from(bytes.into())))
    }

    /// Creates a copy of a file, or of a directory with everything in it. Links stay links, even if
    /// the path itself is one: see [`with_followed_links`](Self::with_followed_links).
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self::new(Content::Path(path.into()))
    }

    /// Creates a file with the first `length` bytes of a reader. A shorter reader is an error.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self::new(Content::Reader { reader: Mutex::new(Box::pin(reader)), length })
    }

    /// Unpacks a plain tar archive, with the owner, mode and mtime of each entry. The target is the
    /// directory to unpack into, with or without a `/` at its end; the archive's entry for that
    /// directory itself (`./`) is ignored. The archive is checked before any of it is sent: an
    /// absolute name or one with `..`, and a broken or compressed archive are errors that name it.
    ///
    /// ```no_run
    /// # async fn run(container: castoff::Container, archive: Vec<u8>) -> castoff::Result<()> {
    /// use castoff::CopySource;
    ///
    /// container.copy_to(CopySource::tar(archive), "/srv/data").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tar(archive: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Tar(Tarball::Bytes(Bytes::from(archive.into()))))
    }

    /// Unpacks an archive file as [`tar`](Self::tar) does.
    pub fn tar_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Content::Tar(Tarball::Path(path.into())))
    }

    /// Copies the targets of links in their place, as `cp -L` does: the target of the path itself,
    /// and of all links in a directory. A dangling link, or one to a directory that contains it, is
    /// an error that names it. Default: links stay links.
    pub fn with_followed_links(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Sets the mode of the file, such as `0o600`; for a directory, of every file in it.
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets the owner and group, by number.
    pub fn with_owner(mut self, user: u32, group: u32) -> Self {
        self.owner = (user.into(), group.into());
        self
    }

    /// Sets a key that replaces the content when two containers are compared for
    /// [`shared`](super::ContainerBuilder::shared). It is meant for content that every process
    /// generates anew and that any of them can use, such as a certificate: a process that joins
    /// reads the creator's from the container.
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Returns a copy of the source, unless it can be read once only.
    pub(super) fn again(&self) -> Option<CopySource> {
        let content = match &self.content {
            Content::Bytes(bytes) => Content::Bytes(bytes.clone()),
            Content::Path(path) => Content::Path(path.clone()),
            Content::Tar(tarball) => Content::Tar(tarball.clone()),
            Content::Reader { .. } => return None,
        };
        let identity = self.identity.clone();
        let (mode, owner, follow) = (self.mode, self.owner, self.follow);
        Some(CopySource { content, mode, owner, follow, identity })
    }

    /// Returns the path, which may be a directory, and whether its links are followed.
    pub(super) fn tree(&self) -> Option<(PathBuf, bool)> {
        match &self.content {
            Content::Path(path) => Some((path.clone(), self.follow)),
            _ => None,
        }
    }

    /// Returns the archive to unpack, if the source is one.
    pub(super) fn tarball(&self) -> Option<Tarball> {
        match &self.content {
            Content::Tar(tarball) => Some(tarball.clone()),
            _ => None,
        }
    }

    /// Returns the source's own file name, if it has one.
    fn own_name(&self) -> Option<String> {
        match &self.content {
            Content::Path(path) => Some(path.file_name()?.to_string_lossy().into_owned()),
            _ => None,
        }
    }
}

impl From<Vec<u8>> for CopySource {
    fn from(bytes: Vec<u8>) -> Self {
        CopySource::bytes(bytes)
    }
}

impl From<&[u8]> for CopySource {
    fn from(bytes: &[u8]) -> Self {
        CopySource::bytes(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for CopySource {
    fn from(bytes: &[u8; N]) -> Self {
        CopySource::bytes(bytes.as_slice())
    }
}

impl From<PathBuf> for CopySource {
    fn from(path: PathBuf) -> Self {
        CopySource::path(path)
    }
}

impl From<&Path> for CopySource {
    fn from(path: &Path) -> Self {
        CopySource::path(path)
    }
}

/// The name of a directory within itself.
const ITSELF: &str = ".";

/// Splits a target into its parent directory and its name there.
pub(super) fn split_target(source: &CopySource, target: &str) -> Result<(String, String)> {
    let wrong = |why: &str| Error::invalid("copy target", format!("`{target}`: {why}"));
    if !target.starts_with('/') {
        return Err(wrong("must be an absolute path"));
    }
    if target.contains('\0') || target.split('/').any(|part| part == "..") {
        return Err(wrong("must not contain `..` or NUL"));
    }
    let into_directory = target.ends_with('/');
    let trimmed = target.trim_end_matches('/');
    if matches!(source.content, Content::Tar(_)) {
        if source.mode.is_some() || source.owner != (0, 0) {
            let why = "owner and mode of what is in an archive are those that it says";
            return Err(Error::invalid("copy source", why));
        }
        let directory = if trimmed.is_empty() { "/" } else { trimmed };
        return Ok((directory.to_owned(), ITSELF.to_owned()));
    }
    if into_directory {
        let name = source
            .own_name()
            .ok_or_else(|| wrong("is a directory, and what is copied has no name of its own"))?;
        let directory = if trimmed.is_empty() { "/" } else { trimmed };
        return Ok((directory.to_owned(), name));
    }
    let (directory, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let directory = if directory.is_empty() { "/" } else { directory };
    Ok((directory.to_owned(), name.to_owned()))
}

/// The target of a source, and the paths that the source may contain.
pub(super) struct Place {
    path: String,
    tree: Tree,
}

/// The content that decides whether a path exists below the target.
enum Tree {
    File,
    Path(PathBuf),
    Tar(Tarball),
}

impl Place {
    pub(super) fn of(source: &CopySource, target: &str) -> Result<Place> {
        let (directory, name) = split_target(source, target)?;
        let tree = match &source.content {
            Content::Path(path) => Tree::Path(path.clone()),
            Content::Tar(tarball) => Tree::Tar(tarball.clone()),
            Content::Bytes(_) | Content::Reader { .. } => Tree::File,
        };
        Ok(Place { path: format!("{directory}/{name}"), tree })
    }

    /// Returns the way by which the source can be copied to its target.
    pub(super) async fn way_in(self, engine: &Client, id: &str, memory: &InMemory) -> Result<Way> {
        let Place { path, tree } = self;
        let (tree, names) = match tree {
            Tree::File => (None, BTreeSet::new()),
            Tree::Path(tree) => (Some(tree), BTreeSet::new()),
            Tree::Tar(tarball) => (None, tarball.check().await?),
        };
        let below = |below: &str| match &tree {
            Some(tree) => tree.join(below).symlink_metadata().is_ok(),
            None => names.iter().any(|name| Path::new(name).starts_with(below)),
        };
        memory.way_to(engine, id, &path, below).await
    }
}

/// Copies into a container, by the given way.
pub(super) async fn copy_by(
    way: Way,
    engine: &Client,
    id: &str,
    source: CopySource,
    target: &str,
) -> Result<()> {
    match way {
        Way::Engine => copy_in(engine, id, source, target).await,
        Way::Command => tmpfs::copy_in(engine, id, source, target).await,
        Way::Owned => {
            let why = format!("`{target}`: the engine mounts a file of its own there, or below it");
            let hint = "`with_extra_host`, `with_dns` and `with_hostname` say what is in /etc/hosts, \
                        /etc/resolv.conf and /etc/hostname";
            Err(Error::invalid("copy target", why).with_hint(hint))
        }
        Way::EngineWhileRunning => {
            copy_in(engine, id, source, target).await?;
            // The engine reports success even if the volume was unmounted with the copy in it.
            if engine.inspect_container(id).await?.state.running {
                return Ok(());
            }
            let message = format!(
                "`{target}` is in a volume in memory, which keeps nothing while the container does \
                 not run"
            );
            let hint = "copy into it when the container runs, or take a volume on disk";
            Err(Error::new(ErrorKind::Conflict, message).with_hint(hint))
        }
    }
}

/// Copies into a container by the engine, whether it runs or not.
async fn copy_in(engine: &Client, id: &str, source: CopySource, target: &str) -> Result<()> {
    let (directory, name) = split_target(&source, target)?;
    let (base, missing) = existing(engine, id, &directory).await?;
    if let Some(tarball) = source.tarball() {
        if !missing.is_empty() {
            engine.upload(id, &base, pack::directories(&missing)?).await?;
        }
        return engine.upload(id, &directory, pack::as_it_is(tarball)).await;
    }
    let kept = match source.tree() {
        Some((tree, follow)) if missing.is_empty() && tree.is_dir() => {
            kept(Way::Engine, engine, id, (tree, follow), &base, &name).await?
        }
        _ => BTreeSet::new(),
    };
    let tar: TarStream = pack::pack(source, &missing, &name, kept).await?;
    engine.upload(id, &base, tar).await
}

/// Limit for the links on the way to one file, as in Linux (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Resolves the link at `path`, inside the container, to its final target.
pub(super) async fn follow(engine: &Client, id: &str, path: &str) -> Result<String> {
    let mut here = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(target) = engine.stat_path(id, &here).await?.and_then(|stat| stat.link) else {
            return Ok(here);
        };
        here = if target.starts_with('/') {
            target
        } else {
            let parent = here.trim_end_matches('/').rsplit_once('/').map_or("", |(p, _)| p);
            format!("{parent}/{target}")
        };
    }
    let message = format!("`{path}` is a link that leads through more than {MOST_LINKS} others");
    Err(Error::new(ErrorKind::Io, message))
}

/// Returns the deepest existing directory of a path, and the names below it that are missing.
async fn existing(engine: &Client, id: &str, directory: &str) -> Result<(String, Vec<String>)> {
    let mut base = directory.to_owned();
    let mut missing = Vec::new();
    while base != "/" {
        match engine.stat_path(id, &base).await? {
            // Docker itself reports this; Podman would create the target of the link.
            Some(stat) if stat.leads_nowhere => {
                let message = format!(
                    "failed to copy into the container: `{base}` is a link that leads to nothing"
                );
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            Some(_) => break,
            None => {}
        }
        let (parent, name) = base.rsplit_once('/').unwrap_or(("", &base));
        missing.insert(0, name.to_owned());
        base = if parent.is_empty() { "/".to_owned() } else { parent.to_owned() };
    }
    Ok((base, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_a_file_or_a_directory_to_copy_into() {
        let split = |source: CopySource, target: &str| split_target(&source, target);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(split(CopySource::bytes("x"), "/etc/a.conf").unwrap(), pair("/etc", "a.conf"));
        assert_eq!(split(CopySource::bytes("x"), "/a").unwrap(), pair("/", "a"));
        assert_eq!(split(CopySource::path("/tmp/b"), "/etc/").unwrap(), pair("/etc", "b"));
        assert_eq!(split(CopySource::path("/tmp/b"), "/").unwrap(), pair("/", "b"));
        for target in ["", "a", "/a/../b", "/x\0"] {
            assert!(split(CopySource::bytes("x"), target).is_err(), "{target:?}");
        }
        assert!(split(CopySource::bytes("x"), "/etc/").is_err());
        for (target, directory) in [("/etc/", "/etc"), ("/etc", "/etc"), ("/", "/")] {
            assert_eq!(split(CopySource::tar("x"), target).unwrap(), pair(directory, "."));
        }
        assert!(split(CopySource::tar("x").with_mode(0o600), "/etc").is_err());
    }
}

//! Files of a [`Container`]: copied in, copied out, and read.

use std::path::{Path, PathBuf};

use super::copy::{self, Place, copy_by};
use super::link::link_alone;
use super::unpack::{self, Wanted};
use super::{Container, CopySource, tmpfs};
use crate::engine::{InMemory, Way};
use crate::error::{Error, ErrorKind, Result};

/// Limit for the bytes that `read_file` holds in memory.
const READ_LIMIT: u64 = 64 << 20;

impl Container {
    /// Copies a source into the container, running or not. Missing parent directories are created;
    /// a target that ends in `/` is the directory to copy into. An existing path is replaced by the
    /// same kind only: a file never replaces a directory, nor a directory a file or a link.
    /// Existing directories keep their mode and owner. Files that the engine maintains itself, such
    /// as `/etc/hosts`, can't be copied to.
    ///
    /// A tmpfs mount or `/dev/shm` is out of the engine's reach: `sh` and `tar` in the running
    /// container copy to it, as root, and also from it for [`copy_from`](Self::copy_from) and
    /// [`read_file`](Self::read_file). Links that lead there are followed. A volume in memory
    /// ([`Volume::tmpfs`](crate::Volume::tmpfs)) can be copied to while the container runs.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if another kind would be replaced. Also
    /// fails if the source can't be read, if one of its files grows or shrinks meanwhile, or if the
    /// copy fails in the container.
    ///
    /// # Cancel safety
    /// If the future is dropped, a part may have been copied.
    pub async fn copy_to(
        &self,
        source: impl Into<CopySource>,
        target: impl AsRef<str>,
    ) -> Result<()> {
        let (engine, id, target) = (self.own_client()?, self.id(), target.as_ref());
        let source = source.into();
        let copied = async {
            let spec = self.spec_shared();
            let memory = InMemory::of(&spec).with_volumes(engine, &spec).await?;
            let memory = memory.through_links(engine, id).await?;
            let way = Place::of(&source, target)?.way_in(engine, id, &memory).await?;
            copy_by(way, engine, id, source, target).await
        };
        copied.await.map_err(|error| self.told(error.at("copy")))
    }

    /// Returns the way to read a path; with `below`, together with the mounts below it.
    async fn way_out(&self, path: &str, below: bool) -> Result<Way> {
        let (engine, id) = (self.client(), self.id());
        let memory = InMemory::of(&self.spec_shared()).through_links(engine, id).await?;
        let way = memory.way_to(engine, id, path, |_| false).await?;
        // The root is always read by the engine: a command would pack the kernel's files too.
        if way == Way::Command || !below || path.trim_matches(['/', '.']).is_empty() {
            return Ok(way);
        }
        match memory.way_to(engine, id, path, |_| true).await? {
            // Mounts exist only while the container runs.
            Way::Command if engine.inspect_container(id).await?.state.running => Ok(Way::Command),
            _ => Ok(way),
        }
    }

    /// Returns the archive of a path, or of the target of a link there, and whether the requested
    /// contents are below the directory's name in it.
    async fn download(&self, path: &str, follow: bool) -> Result<(unpack::Chunks, bool)> {
        let (engine, id) = (self.client(), self.id());
        if self.way_out(path, true).await? == Way::Command {
            return Ok((tmpfs::download(engine, id, path, follow)?, false));
        }
        if !follow && engine.is_podman() {
            return self.download_from_podman(path).await;
        }
        if !follow {
            return Ok((engine.download(id, path), false));
        }
        let path = copy::follow(engine, id, path).await?;
        match self.way_out(&path, true).await? {
            Way::Command => Ok((tmpfs::download(engine, id, &path, follow)?, false)),
            _ => Ok((engine.download(id, &path), false)),
        }
    }

    /// Downloads as [`download`](Self::download) does, without following a link. Podman follows
    /// one, so the link is taken out of the archive of its directory. For the contents of a
    /// directory, Podman omits its mode and mtime, and everything if its name is `dev`, `proc` or
    /// `sys`; so the directory itself is downloaded.
    async fn download_from_podman(&self, path: &str) -> Result<(unpack::Chunks, bool)> {
        let (engine, id) = (self.client(), self.id());
        if path.ends_with("/.") || path.ends_with('/') {
            let mut directory = path;
            while let Some(rest) =
                directory.strip_suffix("/.").or_else(|| directory.strip_suffix('/'))
            {
                directory = rest;
            }
            return Ok(match directory {
                "" => (engine.download(id, "/."), false),
                _ => (engine.download(id, directory), true),
            });
        }
        let found = engine.stat_path(id, path).await?;
        if found.is_none_or(|stat| stat.link.is_none()) {
            return Ok((engine.download(id, path), false));
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (around, below) = if directory.is_empty() { ("/.", 1) } else { (directory, 2) };
        let link =
            link_alone(engine.download(id, around), name, below).await?.ok_or_else(|| {
                let message = format!("there is nothing at `{path}` in the container any more");
                Error::new(ErrorKind::NotFound, message)
            })?;
        Ok((link, false))
    }

    /// Copies a file or directory out of the container, as `to`, or into `to` if that is a
    /// directory, as `cp -r` does. Returns the path of the copy. Files and directories keep their
    /// mode and mtime; links stay links, even if `path` is one (see
    /// [`copy_from_following_link`](Self::copy_from_following_link)). A file replaces a file; a
    /// directory replaces nothing.
    ///
    /// A `path` that ends in `/.` means the contents of that directory, as for `docker cp`: they
    /// are merged into `to`, if that is a directory, and its own directories and other files stay.
    /// If an entry of another kind is in the way, nothing is moved there.
    ///
    /// Nothing in the copy reaches beyond that place, and the copy appears there only when it is
    /// complete. Links that an earlier copy left are not followed, neither on the way to `to` nor
    /// below it, since the container would choose where the copy goes; your own links on the way to
    /// `to` are. (Copied links are recognized by the nanoseconds of their mtime, if the file system
    /// stores those; else only by the process that copied them.) There is no size limit: see
    /// [`copy_from_up_to`](Self::copy_from_up_to).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing exists at `path`; [`ErrorKind::Io`] if something is in
    /// the way on this machine.
    ///
    /// # Cancel safety
    /// If the future is dropped, the partial copy is removed in the background.
    pub async fn copy_from(&self, path: impl AsRef<str>, to: impl AsRef<Path>) -> Result<PathBuf> {
        self.copy_from_up_to(path, to, u64::MAX).await
    }

    /// Copies as [`copy_from`](Self::copy_from) does, up to a total size of the files in bytes.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from); [`ErrorKind::TooLarge`] above the limit, and then
    /// nothing is left behind.
    ///
    /// # Cancel safety
    /// As for [`copy_from`](Self::copy_from).
    pub async fn copy_from_up_to(
        &self,
        path: impl AsRef<str>,
        to: impl AsRef<Path>,
        limit: u64,
    ) -> Result<PathBuf> {
        self.copy_out(path.as_ref(), to.as_ref(), limit, false).await
    }

    /// Copies as [`copy_from`](Self::copy_from) does, but if `path` is a link, copies its target in
    /// the container, under the link's name, as `docker cp -L` does. Links in a directory stay
    /// links.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from); [`ErrorKind::Io`] if the links form a circle.
    ///
    /// # Cancel safety
    /// As for [`copy_from`](Self::copy_from).
    pub async fn copy_from_following_link(
        &self,
        path: impl AsRef<str>,
        to: impl AsRef<Path>,
    ) -> Result<PathBuf> {
        self.copy_out(path.as_ref(), to.as_ref(), u64::MAX, true).await
    }

    async fn copy_out(&self, path: &str, to: &Path, limit: u64, follow: bool) -> Result<PathBuf> {
        self.own_client()?;
        let trimmed = path.trim_end_matches('/');
        let contents = trimmed.is_empty() || trimmed.ends_with("/.");
        // The root itself has no name, only its contents have.
        let path = if trimmed.is_empty() { "/." } else { path };
        let follow = follow && !contents;
        let name = follow.then(|| Path::new(trimmed).file_name()).flatten();
        let name = name.map(ToOwned::to_owned);
        let copied = async {
            let path = if follow { trimmed } else { path };
            let (chunks, named) = self.download(path, follow).await?;
            unpack::unpack(chunks, to, Wanted { contents, named, limit, name }).await
        };
        copied.await.map_err(|error| self.told(error.at("copy")))
    }

    /// Returns the content of a file, of at most 64 MiB. Links are followed, inside the container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if nothing exists at `path`, [`ErrorKind::TooLarge`] if the file is
    /// larger, [`ErrorKind::Io`] if it is not a file, or is a link in a circle of links.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn read_file(&self, path: impl AsRef<str>) -> Result<Vec<u8>> {
        self.read_file_up_to(path, READ_LIMIT).await
    }

    /// Reads as [`read_file`](Self::read_file) does, with another limit, in bytes. The whole file
    /// is held in memory.
    ///
    /// # Errors
    /// As for [`read_file`](Self::read_file).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn read_file_up_to(&self, path: impl AsRef<str>, limit: u64) -> Result<Vec<u8>> {
        let read = async {
            let (engine, id, path) = (self.own_client()?, self.id(), path.as_ref());
            if self.way_out(path, false).await? == Way::Command {
                return tmpfs::read_file(engine, id, path, limit).await;
            }
            if let Some(bytes) = unpack::read_file(engine.download(id, path), limit).await? {
                return Ok(bytes);
            }
            let followed = copy::follow(engine, id, path).await?;
            if self.way_out(&followed, false).await? == Way::Command {
                return tmpfs::read_file(engine, id, &followed, limit).await;
            }
            let bytes = unpack::read_file(engine.download(id, &followed), limit).await?;
            let message = || format!("`{path}` is a link and its target can't be told");
            bytes.ok_or_else(|| Error::new(ErrorKind::Io, message()))
        };
        read.await.map_err(|error| self.told(error.at("copy")))
    }
}

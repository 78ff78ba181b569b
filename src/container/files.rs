//! Files of a [`Container`]: copied in, copied out, and read.

use std::path::{Path, PathBuf};

use super::copy::{self, Place, copy_by};
use super::link::link_alone;
use super::unpack::{self, Wanted};
use super::{Container, CopySource, tmpfs};
use crate::engine::{InMemory, Way};
use crate::error::{Error, ErrorKind, Result};

/// The most that `read_file` takes into memory.
const READ_LIMIT: u64 = 64 << 20;

impl Container {
    /// Copies something into it, running or not. Directories that are missing on the way are
    /// made; a target that ends in `/` is the directory to copy into. What is there is replaced by
    /// its own kind alone: a file never takes the place of a directory, nor a directory that of a
    /// file or a link. Directories that are there keep their mode and owner. Into the files that the
    /// engine keeps itself, such as `/etc/hosts`, nothing is copied.
    ///
    /// Into a tmpfs mount or `/dev/shm`, where the engine does not reach, it is copied by `sh` and
    /// `tar` in the container, as root, while that runs; so is what [`copy_from`](Self::copy_from)
    /// and [`read_file`](Self::read_file) take out of one. Links that lead there are followed. Into
    /// a volume in memory ([`Volume::tmpfs`](crate::Volume::tmpfs)) it can be copied while the
    /// container runs.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) where it would be replaced by another kind;
    /// when the source can't be read, when a file of it grows or shrinks meanwhile, or when the
    /// container can't take it.
    ///
    /// # Cancel safety
    /// When the future is dropped, a part may have been copied.
    pub async fn copy_to(
        &self,
        source: impl Into<CopySource>,
        target: impl AsRef<str>,
    ) -> Result<()> {
        let (engine, id, target) = (self.own_engine()?, self.id(), target.as_ref());
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

    /// How what is at a path gets out, with what is mounted below it, where that is asked for.
    async fn way_out(&self, path: &str, below: bool) -> Result<Way> {
        let (engine, id) = (self.engine(), self.id());
        let memory = InMemory::of(&self.spec_shared()).through_links(engine, id).await?;
        let way = memory.way_to(engine, id, path, |_| false).await?;
        // (All of the root comes as the engine has it: a command would pack the kernel's files too.)
        if way == Way::Command || !below || path.trim_matches(['/', '.']).is_empty() {
            return Ok(way);
        }
        match memory.way_to(engine, id, path, |_| true).await? {
            // What is mounted is there while it runs.
            Way::Command if engine.inspect_container(id).await?.state.running => Ok(Way::Command),
            _ => Ok(way),
        }
    }

    /// The archive of what is at a path, or of what a link there leads to, and whether contents that
    /// are asked for are below their directory's name in it.
    async fn download(&self, path: &str, follow: bool) -> Result<(unpack::Chunks, bool)> {
        let (engine, id) = (self.engine(), self.id());
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

    /// As [`download`](Self::download), without following a link. Podman follows it, so one is taken out
    /// of the archive of its directory. Of contents alone it leaves out the directory's mode and time,
    /// and all of them where its name is `dev`, `proc` or `sys`; so the directory comes with them.
    async fn download_from_podman(&self, path: &str) -> Result<(unpack::Chunks, bool)> {
        let (engine, id) = (self.engine(), self.id());
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

    /// Copies a file or directory out of it, as `to`, or into `to` where that is a directory, as
    /// `cp -r` does. Returns where it now is. Files keep their mode and time, directories too; links
    /// stay links, also where `path` is one (see
    /// [`copy_from_following_link`](Self::copy_from_following_link)). A file replaces a file; a
    /// directory replaces nothing.
    ///
    /// A `path` that ends in `/.` means what is in that directory, as for `docker cp`: it is merged
    /// into `to`, where that is a directory, whose own directories and other files stay. Where
    /// something of another kind is in the way, nothing is moved there.
    ///
    /// Nothing in the copy reaches beyond that place, and it is seen there only when complete. Links
    /// that an earlier copy left are not followed, neither on the way to `to` nor below it, since
    /// the container would choose where the copy goes; links of your own on the way to `to` are.
    /// (Copied links are told by the nanoseconds of their time, where the file system keeps those;
    /// else by the process that copied them alone.) There is no limit of size: see
    /// [`copy_from_up_to`](Self::copy_from_up_to).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is nothing at `path`; [`ErrorKind::Io`] when something
    /// stands in the way here.
    ///
    /// # Cancel safety
    /// When the future is dropped, what was copied so far is removed, in the background.
    pub async fn copy_from(&self, path: impl AsRef<str>, to: impl AsRef<Path>) -> Result<PathBuf> {
        self.copy_from_up_to(path, to, u64::MAX).await
    }

    /// As [`copy_from`](Self::copy_from), of files that have at most so many bytes together.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from); [`ErrorKind::TooLarge`] above the limit, and then
    /// nothing is left here.
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

    /// As [`copy_from`](Self::copy_from), where `path` may be a link: what it leads to in the container
    /// is copied, under the link's name, as `docker cp -L` does. Links in a directory stay links.
    ///
    /// # Errors
    /// As for [`copy_from`](Self::copy_from); [`ErrorKind::Io`] when the links go in a circle.
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
        self.own_engine()?;
        let trimmed = path.trim_end_matches('/');
        let contents = trimmed.is_empty() || trimmed.ends_with("/.");
        // (Of the root, only what is in it has names.)
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

    /// The content of a file in it, of at most 64 MiB. Links are followed, inside the container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is nothing at `path`, [`ErrorKind::TooLarge`] when it is
    /// larger, [`ErrorKind::Io`] when it is not a file, or a link that leads in a circle.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn read_file(&self, path: impl AsRef<str>) -> Result<Vec<u8>> {
        self.read_file_up_to(path, READ_LIMIT).await
    }

    /// As [`read_file`](Self::read_file), with another limit, in bytes. All of the file is held in
    /// memory.
    ///
    /// # Errors
    /// As for [`read_file`](Self::read_file).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn read_file_up_to(&self, path: impl AsRef<str>, limit: u64) -> Result<Vec<u8>> {
        let read = async {
            let (engine, id, path) = (self.own_engine()?, self.id(), path.as_ref());
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

//! One container for everybody who wants the same.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::copy::{Content, split_target};
use super::learn::learn;
use super::start::Plan;
use super::{Container, ContainerBuilder, CopySource, pack};
use crate::engine::lower;
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{Guard, Kind, Made, Share, set_up_once};
use crate::spec::spec_hash;

impl ContainerBuilder {
    /// Starts the container, or joins the one that was started for exactly the same: one for all
    /// threads and processes of this user on this host, `cargo nextest` runs and other workspaces
    /// included.
    ///
    /// What counts as the same is the engine, everything that is given to the builder except
    /// the waits, the content of what is copied into it (names, modes and bytes, not times; each call
    /// reads all of it to tell), and the session where that has a name
    /// (`CASTOFF_SESSION`). Whoever comes second waits until it is ready; conditions that the
    /// first did not wait for are waited for by whoever names them. A container that has ended or
    /// is gone is not joined but made anew.
    ///
    /// It is removed when nobody uses it any more: 5 s after the last handle was dropped or the
    /// last process ended, in whatever way (`CASTOFF_LINGER`). What is in it is shared, so tests
    /// should keep to names of their own there. An image that was rebuilt under the same name
    /// meanwhile does not make a difference.
    ///
    /// # Errors
    /// As for [`start`](Self::start); [`ErrorKind::Timeout`], with its process id, when whoever makes
    /// it has shown no sign of life for the startup timeout and at least 10 s, as a process that is
    /// stopped; [`ErrorKind::Io`] when the state directory, where the locks
    /// for this lie, can't be used; [`ErrorKind::InvalidInput`] for something to copy that can be
    /// read only once.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, what it had created is removed, and another one who waits
    /// for it creates it anew.
    pub async fn shared(self) -> Result<Container> {
        self.shared_as("").await
    }

    /// As [`shared`](Self::shared), with those only who name the same scope: a test binary, a
    /// suite, a version of the data.
    ///
    /// # Errors
    /// As for [`shared`](Self::shared).
    ///
    /// # Cancel safety
    /// As for [`shared`](Self::shared).
    pub async fn shared_as(mut self, scope: impl Into<String>) -> Result<Container> {
        let mut plan = self.plan().await?;
        let copies = self.copies.iter().map(readable).collect::<Result<_>>()?;
        let key = plan.key(&scope.into(), copies).await?;
        let limit = self.startup_timeout;
        loop {
            let engine = plan.engine.clone();
            match Guard::share(&engine, Kind::Container, key.clone(), limit).await? {
                Share::Joined(guard, made) => {
                    if let Some(container) = plan.join(guard, made, limit).await? {
                        return Ok(container);
                    }
                }
                Share::Vacant(lease) => {
                    plan.lease = Some(lease);
                    let container = self.attempts_of(&plan).await?;
                    container.guard().shared(container.name(), &plan.waited())?;
                    return Ok(container);
                }
            }
        }
    }
}

impl Container {
    /// Runs `work` once for this container and key, however many threads and processes
    /// [share](ContainerBuilder::shared) it; says whether it ran here. Whoever comes second waits
    /// until it has. If it fails, panics, is cancelled, or its process dies, the next one runs it
    /// again. A container that was made anew has had nothing yet.
    ///
    /// ```no_run
    /// # async fn migrate(url: &str) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let db = castoff::Container::builder("postgres:17")
    ///     .with_env("POSTGRES_PASSWORD", "secret")
    ///     .with_port(5432)
    ///     .shared()
    ///     .await?;
    /// let url = format!("postgres://postgres:secret@{}/postgres", db.addr(5432)?);
    /// db.set_up_once("schema-v7", async || migrate(&url).await).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `work`; [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// When the future is dropped, `work` counts as not done.
    pub async fn set_up_once<E: From<Error>>(
        &self,
        key: impl AsRef<str>,
        work: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<bool, E> {
        set_up_once(self.guard(), key.as_ref(), work).await
    }
}

impl Plan {
    /// What has to be the same for a container to be shared, hashed.
    async fn key(&self, scope: &str, copies: Vec<(CopySource, String)>) -> Result<String> {
        let (engine, spec) = (&self.engine, self.spec());
        let image = self.image_used();
        let mut body =
            lower(spec, "shared", &image, &[], engine.reach(), engine.api_version()).body;
        for edit in self.edits() {
            edit(&mut body);
        }
        let mut copied = Vec::new();
        for (source, target) in copies {
            let place = split_target(&source, &target)?;
            let (mode, owner) = (source.mode, source.owner);
            copied.push((content_hash(source).await?, mode, owner, place));
        }
        let session = &engine.config().session;
        let hash = spec_hash(&(spec.stable_hash(), body, copied, scope, session));
        Ok(hash.get(..32).unwrap_or(&hash).to_owned())
    }

    /// The conditions that a container is waited for with, hashed.
    fn waited(&self) -> String {
        let hash = spec_hash(&format!("{:?}", self.waits()));
        hash.get(..16).unwrap_or(&hash).to_owned()
    }

    /// `None` when what was joined is of no use any more.
    async fn join(&self, guard: Guard, made: Made, limit: Duration) -> Result<Option<Container>> {
        let details = match learn(&self.engine, guard.id(), self.spec()).await {
            Ok(details) if details.state.running => details,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.at("inspect")),
            _ => {
                tracing::debug!(name = made.name, "what is shared has ended and is made anew");
                guard.renounce().await?;
                return Ok(None);
            }
        };
        for other in &self.uses {
            guard.uses(other);
        }
        let container = self.joined(Arc::new(guard), made.name, details, limit);
        self.feed_consumers(container.id(), container.known().tty);
        if made.waited != self.waited() {
            container.ready(limit, false).await.map_err(|error| container.told(error))?;
        }
        Ok(Some(container))
    }
}

/// The same to copy, if it can be read more than once.
fn readable((source, target): &(CopySource, String)) -> Result<(CopySource, String)> {
    let same = source.again().or_else(|| {
        // Its content is not looked at.
        let mut same = CopySource::bytes([]).with_identity(source.identity.as_ref()?);
        (same.mode, same.owner) = (source.mode, source.owner);
        Some(same)
    });
    let same = same.ok_or_else(|| {
        let message = "a reader can be read only once, so nobody can tell whether it is the same";
        Error::invalid("copy source", message)
    })?;
    Ok((same, target.clone()))
}

/// Of the bytes that are copied; of a path's, with names and modes. Times don't count: a fresh checkout
/// or a build sets them anew. All of a file is read.
async fn content_hash(source: CopySource) -> Result<String> {
    let mut hash = Sha256::new();
    if let Some(identity) = &source.identity {
        return Ok(format!("identity {identity}"));
    }
    if let Content::Bytes(bytes) = &source.content {
        hash.update(bytes);
    } else {
        let mut tar = pack::pack_timeless(source).await?;
        while let Some(piece) = tar.next().await {
            hash.update(&piece?);
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}

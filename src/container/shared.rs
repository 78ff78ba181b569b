//! Sharing of one container among all users of the same description.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::copy::{Content, split_target};
use super::learn::learn;
use super::plan::Plan;
use super::start::no_stdin;
use super::{Container, ContainerBuilder, CopySource, pack};
use crate::engine::{ContainerDetails, lower};
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{Guard, Kind, Share, SharedResource, set_up_once};
use crate::spec::spec_hash;
use crate::wait::WaitFor;

/// Stands for conditions that equal no others, in place of a hash.
const NEVER_THE_SAME: &str = "-";

impl ContainerBuilder {
    /// Starts the container, or joins the running one that has exactly the same description: one
    /// for all threads and processes of this user on this host, including `cargo nextest` runs and
    /// other workspaces.
    ///
    /// Two descriptions are the same if these are equal: the engine, everything set on the builder
    /// except waits, hooks, log consumers, the numbers of host ports, timeouts, attempts and the
    /// pull policy, the content that is copied into the container (names, modes and bytes, not
    /// times; each call reads all of it to compare), and the session name, if there is one
    /// (`CASTOFF_SESSION`). A caller that joins waits until the container is ready, and for those
    /// of its own conditions that the creator did not wait for. Conditions with closures can't be
    /// compared and are always waited for, unless they have a name
    /// ([`ProbeWait::with_identity`](crate::wait::ProbeWait::with_identity)).
    ///
    /// A container that has ended or is gone is not joined but created anew; one that has ended and
    /// has a name set by you is renamed first (`NAME-ended-ID`), for those who still have a handle.
    /// A paused container is resumed when somebody joins it, since a shared container should be
    /// usable.
    ///
    /// It is removed when nobody uses it any more: 5 s (`CASTOFF_LINGER`) after the last handle was
    /// dropped or the last process ended, by whatever means. Its content is shared, so tests should
    /// use names of their own in it. An image that was rebuilt under the same name meanwhile counts
    /// as the same.
    ///
    /// # Errors
    /// As for [`start`](Self::start); [`ErrorKind::Timeout`], with its process id, if the creator
    /// has shown no sign of life for the startup timeout and at least 10 s, like a stopped process;
    /// [`ErrorKind::Io`] if the state directory, which holds the locks for this, can't be used;
    /// [`ErrorKind::InvalidInput`] for a source to copy that can be read only once.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed, and another caller
    /// that waits for the container creates it anew.
    pub async fn shared(self) -> Result<Container> {
        self.shared_as("").await
    }

    /// Shares the container as [`shared`](Self::shared) does, with callers that name the same scope
    /// only: a test binary, a suite, a version of the data.
    ///
    /// # Errors
    /// As for [`shared`](Self::shared).
    ///
    /// # Cancel safety
    /// As for [`shared`](Self::shared).
    pub async fn shared_as(mut self, scope: impl Into<String>) -> Result<Container> {
        if self.stdin.is_some() {
            return Err(no_stdin("shared"));
        }
        let mut plan = self.plan().await?;
        let copies = self.copies.iter().map(readable).collect::<Result<_>>()?;
        let key = plan.key(&scope.into(), copies).await?;
        let limit = self.startup_timeout;
        loop {
            let (engine, owner) = (plan.engine.client().clone(), plan.engine.owner());
            match Guard::share(&engine, owner, Kind::Container, key.clone(), limit).await? {
                Share::Joined(guard, made) => {
                    if let Some(container) = plan.join(guard, made, limit).await? {
                        return Ok(container);
                    }
                }
                Share::Vacant(lease) => {
                    plan.lease = Some(lease);
                    let container = self.attempts_of(&plan).await?;
                    let waited = plan.waited().unwrap_or_else(|| NEVER_THE_SAME.to_owned());
                    container.guard().shared(container.name(), &waited)?;
                    return Ok(container);
                }
            }
        }
    }
}

impl Container {
    /// Runs `work` once for this container and key, however many threads and processes
    /// [share](ContainerBuilder::shared) it, and returns whether it ran here. Other callers wait
    /// until it is done. If it fails, panics, is cancelled, or its process dies, the next caller
    /// runs it again. A container that was created anew starts without any set-up.
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
    /// db.init_once("schema-v7", async || migrate(&url).await).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `work`; [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// If the future is dropped, `work` counts as not done.
    pub async fn init_once<E: From<Error>>(
        &self,
        key: impl AsRef<str>,
        work: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<bool, E> {
        set_up_once(self.guard(), key.as_ref(), work).await
    }
}

impl Plan {
    /// Returns the hash of everything that must be equal for a container to be shared.
    async fn key(&self, scope: &str, copies: Vec<(CopySource, String)>) -> Result<String> {
        let (engine, spec) = (self.engine.client(), self.spec());
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

    /// Returns the hash of the conditions to wait for; `None` if they equal no others.
    fn waited(&self) -> Option<String> {
        let waits = self
            .waits()
            .as_ref()
            .map(|waits| waits.iter().map(WaitFor::fingerprint).collect::<Option<Vec<String>>>());
        let hash = match waits {
            None => spec_hash(&"none"),
            Some(waits) => spec_hash(&waits?),
        };
        Some(hash.get(..16).unwrap_or(&hash).to_owned())
    }

    /// Frees the name of a container that has ended; others may still use it by its id.
    async fn put_aside(&self, ended: &ContainerDetails) {
        if self.spec().name.as_deref() != Some(ended.name.as_str()) {
            return;
        }
        let name = format!("{}-ended-{}", ended.name, ended.id.get(..12).unwrap_or(&ended.id));
        // Another process may have renamed or removed it at the same time.
        if let Err(error) = self.engine.client().rename_container(&ended.id, &name).await {
            tracing::debug!(%error, "the name of a shared container that has ended is not free");
        }
    }

    /// Resumes a paused container, which another caller may do at the same time.
    async fn resume(&self, id: &str) -> Result<()> {
        let Err(error) = self.engine.client().unpause_container(id).await else { return Ok(()) };
        match self.engine.client().inspect_container(id).await {
            Ok(found) if !found.state.paused => Ok(()),
            _ => Err(error),
        }
    }

    /// Returns a handle to a shared container; `None` if it has ended or is gone.
    async fn join(
        &self,
        guard: Guard,
        made: SharedResource,
        limit: Duration,
    ) -> Result<Option<Container>> {
        let details = match learn(self.engine.client(), guard.id(), self.spec()).await {
            Ok(details) if details.state.running || details.state.restarting => details,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.at("inspect")),
            found => {
                if let Ok(ended) = &found {
                    self.put_aside(ended).await;
                }
                tracing::debug!(name = made.name, "what is shared has ended and is made anew");
                guard.abandon().await?;
                return Ok(None);
            }
        };
        let restarting = details.state.restarting;
        if details.state.paused {
            tracing::warn!(
                name = made.name,
                "what is shared is paused, and goes on for whoever joins it"
            );
            self.resume(guard.id()).await.map_err(|error| error.at("unpause"))?;
        }
        for other in &self.uses {
            guard.depends_on(other);
        }
        let container = self.joined(Arc::new(guard), made.name, details, limit);
        self.feed_consumers(container.id(), container.known().tty);
        let same = !restarting && self.waited().is_some_and(|waited| waited == made.waited);
        if !same {
            container.ready(limit, false).await.map_err(|error| container.told(error))?;
        }
        Ok(Some(container))
    }
}

/// Returns a copy of the source for hashing, if it can be read more than once or has an identity.
fn readable((source, target): &(CopySource, String)) -> Result<(CopySource, String)> {
    let same = source.again().or_else(|| {
        // Its content is not read.
        let mut same = CopySource::bytes([]).with_identity(source.identity.as_ref()?);
        (same.mode, same.owner, same.follow) = (source.mode, source.owner, source.follow);
        Some(same)
    });
    let same = same.ok_or_else(|| {
        let message = "a reader can be read only once, so nobody can tell whether it is the same";
        Error::invalid("copy source", message)
    })?;
    Ok((same, target.clone()))
}

/// Returns the hash of a source's content; for a path, with names and modes. Times are excluded: a
/// fresh checkout or a build changes them. Reads all of a file.
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
    Ok(hex::encode(hash.finalize()))
}

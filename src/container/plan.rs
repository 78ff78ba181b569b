//! [`Plan`]: a checked builder, and the calls that create a container from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::{Hooks, LogConsumer, RawEdit};
use super::capture::Capture;
use super::consumers::feed;
use super::copy::{Place, copy_by};
use super::handle::Startup;
use super::host_port::Forwarder;
use super::learn::learn;
use super::{Container, CopySource};
use crate::connection::Engine;
use crate::engine::{
    ApiVersion, ContainerDetails, EngineKind, InMemory, Way, lower, may_restart, mounts_of,
};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Names};
use crate::reaper::{Guard, Kind, Lease, Worker};
use crate::spec::{Attachment, ContainerSpec, PullPolicy};
use crate::timed::timed;
use crate::wait::{WaitFor, diagnose};

/// A builder whose values have been checked.
pub(super) struct Plan {
    pub(super) engine: Engine,
    pub(super) spec: Arc<ContainerSpec>,
    pub(super) names: Names,
    pub(super) pull: PullPolicy,
    pub(super) waits: Option<Vec<WaitFor>>,
    pub(super) raw: Vec<RawEdit>,
    pub(super) hooks: Hooks,
    pub(super) forwarders: Arc<Vec<Forwarder>>,
    pub(super) log_consumers: Vec<LogConsumer>,
    pub(super) uses: Vec<Arc<Guard>>,
    /// The lease under which the container is shared.
    pub(super) lease: Option<Arc<Lease>>,
    /// The capture of `run()`, which attaches to the streams before the start.
    pub(super) capture: Option<Capture>,
}

/// A copy that is made once the container runs.
pub(super) struct Late {
    source: CopySource,
    pub(super) target: String,
    way: Way,
}

/// The parts of the create call that matter later, after the edits of `with_raw`.
#[derive(Debug)]
pub(super) struct Created {
    name: String,
    pub(super) later: Vec<Attachment>,
    pub(super) tty: bool,
    /// The spec, with the mounts of the create call.
    pub(super) spec: Arc<ContainerSpec>,
    /// Whether the engine may start the container again when it ends.
    pub(super) restarts: bool,
}

impl Plan {
    pub(super) async fn attempt(
        &self,
        copies: Vec<(CopySource, String)>,
        limit: Duration,
    ) -> Result<Container> {
        let (guard, made) = self.create(limit).await?;
        let began = Instant::now();
        let up = async {
            let late = self.prepare(&guard, copies, &made).await?;
            if let Some(capture) = &self.capture {
                capture.attach(self.engine.client(), guard.id(), &made).await?;
            }
            self.start_created(&guard).await?;
            for Late { source, target, way } in late {
                let copied = copy_by(way, self.engine.client(), guard.id(), source, &target).await;
                copied.map_err(|error| error.at("copy"))?;
            }
            self.learn(&guard).await
        };
        let details = match within(limit, "start", up).await {
            Ok(details) => details,
            Err(error) => return Err(self.story(error, &guard).await),
        };
        let left = limit.saturating_sub(began.elapsed());
        let container = self.handle(guard, made.spec, details, limit);
        self.feed_consumers(container.id(), made.tty);
        if let Err(error) = container.up(left, false).await {
            return Err(self.story(error, container.guard()).await);
        }
        Ok(container)
    }

    /// Creates the container, pulling its image first if necessary.
    pub(super) async fn create(&self, limit: Duration) -> Result<(Arc<Guard>, Created)> {
        let told = |error: Error| error.at("create").with_image(&self.names.asked);
        let platform = self.spec.platform.as_ref().map(ToString::to_string);
        let platform = platform.as_deref();
        let pull = |seen| image::pull_after(self.engine.client(), &self.names, platform, seen);
        if self.pull == PullPolicy::Always {
            pull(0).await.map_err(told)?;
        }
        let seen = image::pulled(self.engine.client(), &self.names, platform);
        let create = || within(limit, "create", self.create_once());
        // Checked beforehand: the conflicting resource may be gone when the engine's refusal
        // arrives.
        let busy = Worker::start()?.is_busy(self.engine.endpoint());
        let error = match create().await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        let missing = image::is_missing(self.engine.client(), &self.names, platform, &error).await;
        let retried = if missing {
            if self.pull == PullPolicy::Never {
                let refused = image::not_there(&self.names, "the pull policy is `Never`");
                return Err(told(self.for_platform(refused.with_source(error)).await));
            }
            let pulled = match pull(seen).await {
                Ok(()) => create().await,
                Err(error) => Err(error),
            };
            match pulled {
                // An engine may pull an image for another platform, and then refuse to use it.
                Err(error) => Err(self.for_platform(error).await),
                created => created,
            }
        } else if error.kind() == ErrorKind::Conflict
            && (busy || Worker::start()?.is_busy(self.engine.endpoint()))
        {
            Worker::start()?.settled(self.engine.endpoint()).await;
            create().await
        } else {
            Err(error)
        };
        let named = |error: Error| match &self.spec.name {
            Some(name) => error.with_container(name),
            None => error,
        };
        retried.map_err(|error| named(told(error)))
    }

    async fn for_platform(&self, error: Error) -> Error {
        let platform = self.spec.platform.as_ref().map(ToString::to_string);
        image::for_platform(self.engine.client(), &self.names, platform.as_deref(), error).await
    }

    /// Sends the create call on the worker, so that dropping the future can't leave a container
    /// without an owner.
    async fn create_once(&self) -> Result<(Arc<Guard>, Created)> {
        let (engine, owner) = (self.engine.client().clone(), self.engine.owner());
        let (spec, raw, uses) = (self.spec.clone(), self.raw.clone(), self.uses.clone());
        let lease = self.lease.clone();
        let has_stdin = self.capture.as_ref().is_some_and(Capture::has_stdin);
        let image = self.names.used.familiar();
        let creating = async move {
            let guard = Guard::arm(&engine, owner, Kind::Container, lease.as_ref()).await?;
            for other in &uses {
                guard.depends_on(other);
            }
            let name = spec.name.as_deref().unwrap_or(guard.resource());
            let labels = guard.labels();
            let (reach, api) = (engine.reach(), engine.api_version());
            let mut creation = lower(&spec, name, &image, &labels, reach, api);
            warn_of_start_interval(&spec, api);
            if has_stdin {
                creation.body.open_stdin = Some(true);
                creation.body.stdin_once = Some(true);
            }
            for edit in &raw {
                edit(&mut creation.body);
                // Without these labels, the container would have no owner.
                creation.body.labels.get_or_insert_default().extend(labels.iter().cloned());
            }
            for other in &uses {
                // A network changes nothing here: no volume has its id as a name.
                creation.label_volume(other.id(), &other.labels());
            }
            let tty = creation.body.tty.unwrap_or_default();
            let restarts = may_restart(&creation.body);
            let mut spec = spec.clone();
            if !raw.is_empty() {
                Arc::make_mut(&mut spec).mounts = mounts_of(&creation.body);
            }
            match engine.create_container(&creation).await {
                Ok(id) => {
                    guard.created(&id);
                    let (name, later) = (creation.name, creation.later);
                    let made = Created { name, later, tty, restarts, spec };
                    Ok((Arc::new(guard), made))
                }
                Err(error) => {
                    guard.refused(&error);
                    Err(error)
                }
            }
        };
        let span = tracing::debug_span!("create", image = %self.names.used);
        Worker::start()?.run(timed(span, creating)).await?
    }

    /// Copies the sources and joins the networks that the create call could not hold. Returns the
    /// copies into memory, which exists only once the container runs.
    pub(super) async fn prepare(
        &self,
        guard: &Guard,
        copies: Vec<(CopySource, String)>,
        made: &Created,
    ) -> Result<Vec<Late>> {
        let late = self
            .copy_early(guard.id(), copies, &made.spec)
            .await
            .map_err(|error| error.at("copy"))?;
        for attachment in &made.later {
            let joined =
                self.engine.client().connect_network(guard.id(), &made.name, attachment).await;
            joined.map_err(|error| error.at("connect"))?;
        }
        Ok(late)
    }

    async fn copy_early(
        &self,
        id: &str,
        copies: Vec<(CopySource, String)>,
        spec: &ContainerSpec,
    ) -> Result<Vec<Late>> {
        let mut late = Vec::new();
        if copies.is_empty() {
            return Ok(late);
        }
        let engine = self.engine.client();
        let memory = InMemory::of(spec).with_volumes(engine, spec).await?;
        let memory = memory.through_links(engine, id).await?;
        for (source, target) in copies {
            match Place::of(&source, &target)?.way_in(engine, id, &memory).await? {
                way @ (Way::Command | Way::EngineWhileRunning) => {
                    late.push(Late { source, target, way });
                }
                way => copy_by(way, engine, id, source, &target).await?,
            }
        }
        Ok(late)
    }

    pub(super) async fn start_created(&self, guard: &Guard) -> Result<()> {
        let span = tracing::debug_span!("start", container = guard.id());
        let worker = Worker::start()?;
        let busy = worker.is_busy(self.engine.endpoint());
        if self.spec.has_fixed_port() && self.engine.kind() == EngineKind::Podman {
            // Podman does not refuse a port of a container that is being removed, and then removes
            // the rules of both containers for it.
            worker.settled(self.engine.endpoint()).await;
        }
        let outcome = timed(span, self.engine.client().start_container(guard.id())).await;
        let outcome = match outcome {
            Err(error)
                if error.kind() == ErrorKind::PortTaken
                    && (busy || worker.is_busy(self.engine.endpoint())) =>
            {
                // A container of ours that is being removed may have the port.
                worker.settled(self.engine.endpoint()).await;
                self.engine.client().start_container(guard.id()).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| error.at("start"))
    }

    /// Inspects the container: once, or until the engine shows the ports of a running container.
    pub(super) async fn learn(&self, guard: &Guard) -> Result<ContainerDetails> {
        learn(self.engine.client(), guard.id(), &self.spec)
            .await
            .map_err(|error| error.at("inspect"))
    }

    pub(super) fn handle(
        &self,
        guard: Arc<Guard>,
        spec: Arc<ContainerSpec>,
        details: ContainerDetails,
        limit: Duration,
    ) -> Container {
        let name = self.spec.name.clone().unwrap_or_else(|| guard.resource().to_owned());
        self.handle_of(guard, name, spec, details, limit)
    }

    pub(super) fn joined(
        &self,
        guard: Arc<Guard>,
        name: String,
        details: ContainerDetails,
        limit: Duration,
    ) -> Container {
        self.handle_of(guard, name, self.spec.clone(), details, limit)
    }

    fn handle_of(
        &self,
        guard: Arc<Guard>,
        name: String,
        spec: Arc<ContainerSpec>,
        details: ContainerDetails,
        limit: Duration,
    ) -> Container {
        let (waits, hooks) = (self.waits.clone(), self.hooks.clone());
        let startup = Startup { waits, hooks, limit };
        let container = Container::new(self.engine.clone(), guard, name, spec, details, startup);
        container.with_forwarders(self.forwarders.clone())
    }

    pub(super) fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    pub(super) fn image_used(&self) -> String {
        self.names.used.familiar()
    }

    pub(super) fn edits(&self) -> &[RawEdit] {
        &self.raw
    }

    pub(super) fn waits(&self) -> &Option<Vec<WaitFor>> {
        &self.waits
    }

    /// Starts the log consumers. They read from the log's beginning: nothing is lost.
    pub(super) fn feed_consumers(&self, id: &str, tty: bool) {
        for consumer in &self.log_consumers {
            feed(self.engine.client(), id, tty, consumer.clone());
        }
    }

    pub(super) fn told(&self, error: Error, guard: &Guard) -> Error {
        let name = self.spec.name.as_deref().unwrap_or(guard.resource());
        error.with_image(&self.names.asked).with_container(name)
    }

    async fn story(&self, error: Error, guard: &Guard) -> Error {
        let error = self.told(error, guard);
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Connection => error,
            _ => diagnose(self.engine.client(), guard.id(), error).await,
        }
    }
}

/// Limits the time of a step. It is boxed, as [`timed`] steps are, to keep a start's future small.
pub(super) fn within<T>(
    limit: Duration,
    step: &'static str,
    work: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let work = Box::pin(work);
    async move {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("the container was not up after {limit:?}");
            Err(Error::new(ErrorKind::Timeout, message).at(step))
        })
    }
}

/// Warns if an engine ignores the start interval of a health check.
fn warn_of_start_interval(spec: &ContainerSpec, api: ApiVersion) {
    let asked = spec.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some());
    if asked && api < ApiVersion::new(1, 44) {
        tracing::warn!(%api, "the healthcheck's start interval needs API 1.44 and is left out");
    }
}

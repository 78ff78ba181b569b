//! From a builder to a running container, one function per step.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::{Hooks, LogConsumer, RawEdit};
use super::capture::Capture;
use super::consumers::feed;
use super::copy::{Place, copy_by, split_target};
use super::host_port::{Forwarder, forward};
use super::learn::learn;
use super::{Container, ContainerBuilder, CopySource};
use crate::engine::{
    ApiVersion, ContainerDetails, Engine, EngineKind, InMemory, Way, lower, may_restart, mounts_of,
};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Names};
use crate::reaper::{Guard, Kind, Lease, Worker};
use crate::spec::{Attachment, ContainerSpec, HostBinding, PullPolicy};
use crate::timed::timed;
use crate::wait::{WaitFor, WaitTarget, diagnose, until_ready};

impl ContainerBuilder {
    /// Creates and starts the container, and waits until it is ready.
    ///
    /// One create, one start, one inspect, and the waits; the image is pulled only when the
    /// engine doesn't have it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] names what was given and can't be used, before anything is
    /// created. [`ErrorKind::ImageNotFound`], [`ErrorKind::Conflict`] (the name is taken),
    /// [`ErrorKind::PortTaken`], [`ErrorKind::Exited`] (it ended before it was ready) and
    /// [`ErrorKind::WaitTimeout`] say what is meant; `Debug` tells the story. Whatever was
    /// created by then is removed.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, what it had created is removed.
    pub async fn start(self) -> Result<Container> {
        let span = tracing::debug_span!("container", image = %self.spec.image);
        timed(span, self.start_attempts()).await
    }

    async fn start_attempts(mut self) -> Result<Container> {
        if self.stdin.is_some() {
            return Err(no_stdin("start"));
        }
        let plan = self.plan().await?;
        self.attempts_of(&plan).await
    }

    /// Tries as often as was asked for.
    pub(super) async fn attempts_of(&mut self, plan: &Plan) -> Result<Container> {
        let limit = self.startup_timeout;
        let mut left = self.attempts.max(1);
        let repeatable = self.copies.iter().all(|(source, _)| source.again().is_some());
        // A free port is chosen before it is taken, and another process may take it in between.
        let mut ports = if repeatable && !plan.spec.has_fixed_port() { PORT_ATTEMPTS } else { 0 };
        loop {
            left -= 1;
            let last = left == 0 && ports == 0;
            let copies = if last { std::mem::take(&mut self.copies) } else { again(&self.copies) };
            let error = match plan.attempt(copies, limit).await {
                Ok(container) => return Ok(container),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::PortTaken && ports > 0 {
                ports -= 1;
                left += 1;
            } else if left == 0 || error.kind() == ErrorKind::InvalidInput {
                return Err(error);
            }
            tracing::warn!(%error, left, "the container did not start and is tried again");
        }
    }

    /// Creates the container with what is copied into it, and leaves it to
    /// [`Container::start`].
    ///
    /// # Errors
    /// As for [`start`](Self::start), up to that step.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, what it had created is removed.
    pub async fn create(self) -> Result<Container> {
        // Boxed: a test's thread has little stack.
        Box::pin(self.create_unstarted()).await
    }

    async fn create_unstarted(mut self) -> Result<Container> {
        let plan = self.plan().await?;
        let copies = std::mem::take(&mut self.copies);
        let memory = InMemory::of(&plan.spec);
        let late = |to: &str| matches!(memory.way(to), Way::Command | Way::EngineWhileRunning);
        if let Some((_, target)) = copies.iter().find(|(_, to)| late(to)) {
            return Err(not_there_yet(target));
        }
        let limit = self.startup_timeout;
        if self.stdin.is_some() {
            return Err(no_stdin("create"));
        }
        let (guard, made) = plan.create(limit).await?;
        let preparing = async {
            match plan.prepare(&guard, copies, &made).await?.first() {
                Some(Late { target, .. }) => Err(not_there_yet(target)),
                None => Ok(()),
            }
        };
        within(limit, "create", preparing).await.map_err(|error| plan.told(error, &guard))?;
        // All that is known of it so far.
        let details = ContainerDetails { tty: made.tty, ..ContainerDetails::default() };
        let container = plan.handle(guard, made.spec, details, limit);
        plan.feed_consumers(container.id(), made.tty);
        Ok(container)
    }

    /// Checks that what it uses belongs to this process, and is on its engine.
    fn check_uses(&self, engine: &Engine) -> Result<()> {
        for other in &self.uses {
            other.check()?;
        }
        let far = self.uses.iter().find(|it| it.engine().endpoint() != engine.endpoint());
        let Some(far) = far else { return Ok(()) };
        let (id, there, here) = (far.id(), far.engine().endpoint(), engine.endpoint());
        let message = format!("`{id}` is on {there}, the container on {here}");
        Err(Error::invalid("network or volume", message))
    }

    /// Checks everything that was given, and finds the engine and the image's name there.
    pub(super) async fn plan(&mut self) -> Result<Plan> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        let asked = self.spec.validate()?;
        for wait in self.waits.iter().flatten() {
            wait.check()?;
        }
        for (source, target) in &self.copies {
            split_target(source, target)?;
        }
        let tarballs: Vec<_> = self.copies.iter().filter_map(|(it, _)| it.tarball()).collect();
        for tarball in tarballs {
            tarball.check().await?;
        }
        if self.attempts > 1 && self.copies.iter().any(|(source, _)| source.again().is_none()) {
            return Err(Error::invalid(
                "startup attempts",
                "a reader can be copied once only, so there can be one attempt only",
            ));
        }
        let engine = match &self.engine {
            Some(engine) => engine.clone(),
            None => Engine::connect().await?,
        };
        self.check_uses(&engine)?;
        let names = image::resolve(engine.config(), &self.spec.image, asked)?;
        let mut spec = self.spec.clone();
        if self.exposed_ports {
            publish_exposed(&engine, &names, self.pull, &mut spec).await?;
        }
        let mut forwarders = Vec::new();
        if !self.host_ports.is_empty() {
            forwarders = forward(&engine, &mut spec, &self.host_ports).await?;
        }
        if self.all_interfaces {
            for binding in spec.ports.values_mut().filter(|it| it.ip == LOOPBACK) {
                binding.ip = EVERYWHERE;
            }
        }
        Ok(Plan {
            engine,
            spec: Arc::new(spec),
            names,
            pull: self.pull,
            waits: self.waits.clone(),
            raw: self.raw.clone(),
            hooks: self.hooks.clone(),
            forwarders: Arc::new(forwarders),
            log_consumers: self.log_consumers.clone(),
            uses: self.uses.clone(),
            lease: None,
            capture: None,
        })
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How often a container is made or started anew because another process took a port that the engine
/// had chosen.
pub(super) const PORT_ATTEMPTS: u32 = 3;

fn not_there_yet(target: &str) -> Error {
    let why = format!("`{target}` is in memory, which is there once the container runs");
    Error::invalid("copy target", why)
        .with_hint("use `start()`, or `Container::copy_to` when it runs")
}

fn no_stdin(call: &str) -> Error {
    let message = format!("only `run()` sends input to a container, and this is `{call}()`");
    Error::invalid("standard input", message)
}

/// Publishes the ports that the image exposes; it is pulled where that is due.
async fn publish_exposed(
    engine: &Engine,
    names: &Names,
    pull: PullPolicy,
    spec: &mut ContainerSpec,
) -> Result<()> {
    let platform = spec.platform.as_ref().map(ToString::to_string);
    let platform = platform.as_deref();
    let told = |error: Error| error.at("inspect").with_image(&names.asked);
    let seen = image::pulled(engine, names, platform);
    let mut found = engine.exposed_ports(&names.used.familiar()).await;
    let missing = matches!(&found, Err(error) if error.status() == Some(404));
    if missing && pull == PullPolicy::Never {
        return Err(told(image::not_there(names, "the pull policy is `Never`")));
    }
    if missing || pull == PullPolicy::Always {
        image::pull_after(engine, names, platform, if missing { seen } else { 0 })
            .await
            .map_err(told)?;
        found = engine.exposed_ports(&names.used.familiar()).await;
    }
    for port in found.map_err(told)? {
        spec.ports.entry(port).or_insert_with(HostBinding::free);
    }
    Ok(())
}

/// Says that an engine checks in the start period as seldom as later.
fn warn_of_start_interval(spec: &ContainerSpec, api: ApiVersion) {
    let asked = spec.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some());
    if asked && api < ApiVersion::new(1, 44) {
        tracing::warn!(%api, "the healthcheck's start interval needs API 1.44 and is left out");
    }
}

fn again(copies: &[(CopySource, String)]) -> Vec<(CopySource, String)> {
    copies.iter().filter_map(|(s, target)| Some((s.again()?, target.clone()))).collect()
}

/// A builder whose values have been checked.
pub(super) struct Plan {
    pub(super) engine: Engine,
    spec: Arc<ContainerSpec>,
    names: Names,
    pull: PullPolicy,
    waits: Option<Vec<WaitFor>>,
    raw: Vec<RawEdit>,
    hooks: Hooks,
    forwarders: Arc<Vec<Forwarder>>,
    log_consumers: Vec<LogConsumer>,
    pub(super) uses: Vec<Arc<Guard>>,
    /// Under which it is to be shared.
    pub(super) lease: Option<Arc<Lease>>,
    /// Of `run()`: takes the container's streams before it starts.
    pub(super) capture: Option<Capture>,
}

/// What is copied when the container runs.
struct Late {
    source: CopySource,
    target: String,
    way: Way,
}

/// What was sent in the create call, as far as it matters later: `with_raw` has the last word.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) later: Vec<Attachment>,
    pub(super) tty: bool,
    /// With the mounts that it has.
    spec: Arc<ContainerSpec>,
    /// Whether the engine may start it again when it ends.
    pub(super) restarts: bool,
}

impl Plan {
    async fn attempt(
        &self,
        copies: Vec<(CopySource, String)>,
        limit: Duration,
    ) -> Result<Container> {
        let (guard, made) = self.create(limit).await?;
        let began = Instant::now();
        let up = async {
            let late = self.prepare(&guard, copies, &made).await?;
            if let Some(capture) = &self.capture {
                capture.attach(&self.engine, guard.id(), &made).await?;
            }
            self.start_created(&guard).await?;
            for Late { source, target, way } in late {
                let copied = copy_by(way, &self.engine, guard.id(), source, &target).await;
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

    /// Creates the container, pulling its image first where that is due.
    pub(super) async fn create(&self, limit: Duration) -> Result<(Arc<Guard>, Created)> {
        let told = |error: Error| error.at("create").with_image(&self.names.asked);
        let platform = self.spec.platform.as_ref().map(ToString::to_string);
        let platform = platform.as_deref();
        let pull = |seen| image::pull_after(&self.engine, &self.names, platform, seen);
        if self.pull == PullPolicy::Always {
            pull(0).await.map_err(told)?;
        }
        let seen = image::pulled(&self.engine, &self.names, platform);
        let create = || within(limit, "create", self.create_once());
        // Asked beforehand: what is in the way may be gone by the time the engine has refused.
        let busy = Worker::start()?.is_busy(self.engine.endpoint());
        let error = match create().await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        let missing = image::is_missing(&self.engine, &self.names, platform, &error).await;
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
                // An engine may pull an image for another platform, and then not use it.
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
        image::for_platform(&self.engine, &self.names, platform.as_deref(), error).await
    }

    /// On the worker, so that dropping the future can't leave a container that nobody owns.
    async fn create_once(&self) -> Result<(Arc<Guard>, Created)> {
        let engine = self.engine.clone();
        let (spec, raw, uses) = (self.spec.clone(), self.raw.clone(), self.uses.clone());
        let lease = self.lease.clone();
        let has_stdin = self.capture.as_ref().is_some_and(Capture::has_stdin);
        let image = self.names.used.familiar();
        let creating = async move {
            let guard = Guard::arm_for(&engine, Kind::Container, lease.as_ref()).await?;
            for other in &uses {
                guard.uses(other);
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
                // Without these, nobody would own it.
                creation.body.labels.get_or_insert_default().extend(labels.iter().cloned());
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
                    let made = Created { later: creation.later, tty, restarts, spec };
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

    /// Copies what is to be copied and joins what networks the create call had no room for. What goes
    /// into memory, which is there once the container runs, comes back.
    async fn prepare(
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
            let joined = self.engine.connect_network(guard.id(), attachment).await;
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
        let engine = &self.engine;
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
            // Podman does not refuse a port that a container on its way out still has, and takes
            // both containers' rules for it away with that one.
            worker.settled(self.engine.endpoint()).await;
        }
        let outcome = timed(span, self.engine.start_container(guard.id())).await;
        let outcome = match outcome {
            Err(error)
                if error.kind() == ErrorKind::PortTaken
                    && (busy || worker.is_busy(self.engine.endpoint())) =>
            {
                // It may be one of ours, on its way out.
                worker.settled(self.engine.endpoint()).await;
                self.engine.start_container(guard.id()).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| error.at("start"))
    }

    /// One inspect; more only while the engine runs the container and doesn't show its ports.
    async fn learn(&self, guard: &Guard) -> Result<ContainerDetails> {
        learn(&self.engine, guard.id(), &self.spec).await.map_err(|error| error.at("inspect"))
    }

    fn handle(
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
        let container = Container::new(guard, name, spec, details, waits, hooks, limit);
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

    /// Read from the log's beginning: nothing is lost.
    pub(super) fn feed_consumers(&self, id: &str, tty: bool) {
        for consumer in &self.log_consumers {
            feed(&self.engine, id, tty, consumer.clone());
        }
    }

    fn told(&self, error: Error, guard: &Guard) -> Error {
        let name = self.spec.name.as_deref().unwrap_or(guard.resource());
        error.with_image(&self.names.asked).with_container(name)
    }

    async fn story(&self, error: Error, guard: &Guard) -> Error {
        let error = self.told(error, guard);
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Connection => error,
            _ => diagnose(&self.engine, guard.id(), error).await,
        }
    }
}

/// Boxed, as [`timed`] steps are: it keeps the future of a start small.
fn within<T>(
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

impl Container {
    /// Waits for what the builder asked for.
    pub(super) async fn ready(&self, limit: Duration, restarted: bool) -> Result<()> {
        let Some(waits) = self.waits() else { return Ok(()) };
        let engine = self.engine().clone();
        let target = WaitTarget::new(engine, self.spec_shared(), self.known(), restarted);
        until_ready(&target, waits, limit).await?;
        self.relearn_restarted().await
    }
}

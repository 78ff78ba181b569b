//! From a builder to a running container: the builder is checked into a plan, which is attempted.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::copy::split_target;
use super::host_port::forward;
use super::plan::{Late, Plan, within};
use super::{Container, ContainerBuilder, CopySource};
use crate::connection::Engine;
use crate::engine::{Client, ContainerDetails, InMemory, Way};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, Names};
use crate::spec::{ContainerSpec, HostBinding, PullPolicy};
use crate::timed::timed;
use crate::wait::{WaitTarget, until_ready};

impl ContainerBuilder {
    /// Creates and starts the container, and waits until it is ready.
    ///
    /// This takes one create call, one start, one inspect, and the waits; the image is pulled only
    /// if the engine doesn't have it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] names the value that can't be used, before anything is created.
    /// Also [`ErrorKind::ImageNotFound`], [`ErrorKind::Conflict`] (the name is taken),
    /// [`ErrorKind::PortTaken`], [`ErrorKind::Exited`] (the container ended before it was ready)
    /// and [`ErrorKind::WaitTimeout`]; `Debug` shows all details. Everything created by then is
    /// removed.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed.
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

    /// Retries up to `attempts` times.
    pub(super) async fn attempts_of(&mut self, plan: &Plan) -> Result<Container> {
        let limit = self.startup_timeout;
        let mut left = self.attempts.max(1);
        let repeatable = self.copies.iter().all(|(source, _)| source.again().is_some());
        // The engine chooses a free port before it binds it, and another process may bind it in
        // between.
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

    /// Creates the container and copies the sources into it, without starting it: see
    /// [`Container::start`].
    ///
    /// # Errors
    /// As for [`start`](Self::start), up to that step.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed.
    pub async fn create(self) -> Result<Container> {
        // Boxed, as a test's thread has a small stack.
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
        // These are all the details known so far.
        let details = ContainerDetails { tty: made.tty, ..ContainerDetails::default() };
        let container = plan.handle(guard, made.spec, details, limit);
        plan.feed_consumers(container.id(), made.tty);
        Ok(container)
    }

    /// Checks that the networks and volumes belong to this process and are on the same engine.
    fn check_uses(&self, engine: &Engine) -> Result<()> {
        for other in &self.uses {
            other.check()?;
        }
        let far = self.uses.iter().find(|it| it.endpoint() != engine.endpoint());
        let Some(far) = far else { return Ok(()) };
        let (id, there, here) = (far.id(), far.endpoint(), engine.endpoint());
        let message = format!("`{id}` is on {there}, the container on {here}");
        Err(Error::invalid("network or volume", message))
    }

    /// Checks all settings, connects to the engine and resolves the image's name.
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
            publish_exposed(engine.client(), &names, self.pull, &mut spec).await?;
        }
        let mut forwarders = Vec::new();
        if !self.host_ports.is_empty() {
            forwarders = forward(engine.client(), &mut spec, &self.host_ports).await?;
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

/// Limit for retries of a start because another process took a port that the engine had chosen.
pub(super) const PORT_ATTEMPTS: u32 = 3;

fn not_there_yet(target: &str) -> Error {
    let why = format!("`{target}` is in memory, which is there once the container runs");
    Error::invalid("copy target", why)
        .with_hint("use `start()`, or `Container::copy_to` when it runs")
}

pub(super) fn no_stdin(call: &str) -> Error {
    let message = format!("only `run()` sends input to a container, and this is `{call}()`");
    Error::invalid("standard input", message)
}

/// Publishes the ports that the image exposes, pulling the image if necessary.
async fn publish_exposed(
    engine: &Client,
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

fn again(copies: &[(CopySource, String)]) -> Vec<(CopySource, String)> {
    copies.iter().filter_map(|(s, target)| Some((s.again()?, target.clone()))).collect()
}

impl Container {
    /// Waits for the builder's conditions.
    pub(super) async fn ready(&self, limit: Duration, restarted: bool) -> Result<()> {
        let Some(waits) = self.waits() else { return Ok(()) };
        let engine = self.engine().clone();
        let target = WaitTarget::new(engine, self.spec_shared(), self.known(), restarted);
        until_ready(&target, waits, limit).await?;
        self.relearn_restarted().await
    }
}

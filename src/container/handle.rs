//! [`Container`]: a container that exists, and is removed when its handle is dropped.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use super::builder::Hooks;
use super::host_port::Forwarder;
use super::{ContainerBuilder, Exec, Logs};
use crate::connection::Engine;
use crate::engine::{Client, ContainerDetails, ContainerState};
use crate::error::{Error, ErrorKind, Result};
use crate::forks::Opening;
use crate::image::Image;
use crate::reaper::Guard;
use crate::spec::{Attachment, ContainerSpec, IntoPort, RestartPolicy};
use crate::wait::WaitFor;
use crate::{IntoAliases, Network};

/// A container, removed with its anonymous volumes when this handle is dropped.
///
/// Dropping hands the removal to a thread of castoff's own and returns at once: it needs no
/// runtime, never panics, and removals run in parallel. Containers that a process leaves when it
/// ends, by whatever means, are removed as well. [`remove`](Self::remove) does the same and reports
/// errors, [`keep`](Self::keep) exempts the container from removal.
///
/// Hold the handle as long as the container is needed: `let _ = builder.start().await?` drops it at
/// once, `let _guard = ..` at the end of the scope. A clone is another handle to the same
/// container, which is removed when the last of them is dropped.
///
/// A handle belongs to the process that created it. In a child forked without `exec`, dropping it
/// does nothing, nor does [`keep`](Self::keep), and fallible calls fail with
/// [`ErrorKind::Conflict`]. A child that is to use its parent's container must get the address
/// before the fork.
#[derive(Clone)]
#[must_use = "the container is removed when its handle is dropped"]
pub struct Container {
    engine: Engine,
    guard: Arc<Guard>,
    name: String,
    spec: Arc<ContainerSpec>,
    details: Arc<RwLock<ContainerDetails>>,
    waits: Option<Vec<WaitFor>>,
    hooks: Hooks,
    startup_timeout: Duration,
    /// Kept as long as any handle of the container.
    _forwarders: Arc<Vec<Forwarder>>,
}

/// What each start of a container waits for and runs, and within which time.
pub(super) struct Startup {
    pub(super) waits: Option<Vec<WaitFor>>,
    pub(super) hooks: Hooks,
    pub(super) limit: Duration,
}

impl Container {
    /// Describes a container of this image: `redis:7`, `registry.example.com/team/app@sha256:..`.
    pub fn builder(image: impl Into<String>) -> ContainerBuilder {
        ContainerBuilder::from_spec(ContainerSpec::new(image))
    }

    pub(super) fn new(
        engine: Engine,
        guard: Arc<Guard>,
        name: String,
        spec: Arc<ContainerSpec>,
        details: ContainerDetails,
        startup: Startup,
    ) -> Self {
        let Startup { waits, hooks, limit } = startup;
        let container = Container {
            engine,
            guard,
            name,
            spec,
            details: Arc::new(RwLock::new(details)),
            waits,
            hooks,
            startup_timeout: limit,
            _forwarders: Arc::default(),
        };
        container.follow_restarts();
        container
    }

    /// Returns the id, 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        self.guard.id()
    }

    /// Returns the name under which the container was created and other containers in its networks
    /// find it. After a rename by somebody else (`docker rename`) it remains an alias there. This
    /// handle uses the [id](Self::id) for all calls; [`inspect`](Self::inspect) returns the
    /// engine's current name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the image, as the caller gave it.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.spec.image
    }

    /// Returns the engine that the container runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the address of a published port, as reached from this process.
    ///
    /// The address is known since the last start: this makes no request. For a container with a
    /// restart policy it is updated shortly after the engine reports a start.
    ///
    /// # Errors
    /// [`ErrorKind::PortNotPublished`] if the port is not published; the message lists those that
    /// are. [`ErrorKind::Conflict`] in a child that was forked from the process that the container
    /// belongs to.
    pub fn addr(&self, port: impl IntoPort) -> Result<SocketAddr> {
        let port = port.into_port()?;
        // Checked here, as the handles of resources in a server have no other check.
        self.own_client()?;
        self.known().addr(port, self.engine().host()).map_err(|error| self.told(error))
    }

    /// Returns the container's own address in a network, for other containers in it.
    ///
    /// The address is known since the last start or connect: this makes no request.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the container is not part of that network or doesn't run.
    pub fn ip(&self, network: &Network) -> Result<IpAddr> {
        let details = self.known();
        let own = details
            .networks
            .iter()
            .find(|(name, own)| own.network_id == network.id() || *name == network.name());
        own.and_then(|(_, own)| own.ip).ok_or_else(|| {
            let networks: Vec<_> = details.networks.keys().map(String::as_str).collect();
            let message = format!(
                "the container has no address in network `{}`; it is in: {}",
                network.name(),
                networks.join(", ")
            );
            self.told(Error::new(ErrorKind::NotFound, message))
        })
    }

    /// Returns the container's address in the engine's default network, for other containers there.
    #[must_use]
    pub fn default_ip(&self) -> Option<IpAddr> {
        let details = self.known();
        ["bridge", "podman"].iter().find_map(|name| details.networks.get(*name)?.ip)
    }

    /// Returns the engine's current details of the container.
    ///
    /// # Errors
    /// Fails if the engine can't be asked or doesn't know the container any more.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn inspect(&self) -> Result<ContainerDetails> {
        let details = self.own_client()?.inspect_container(self.id()).await;
        let details = details.map_err(|error| self.told(error.at("inspect")))?;
        self.relearn(details.clone());
        Ok(details)
    }

    /// Returns whether the container runs now, and how it ended.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn state(&self) -> Result<ContainerState> {
        Ok(self.inspect().await?.state)
    }

    /// Returns the container's output: see [`Logs`].
    pub fn logs(&self) -> Logs {
        Logs::new(
            self.client().clone(),
            self.id().to_owned(),
            self.known().tty,
            self.restarts() != RestartPolicy::No,
            self.guard.process(),
        )
    }

    /// Runs a command in the container, given as separate arguments: see [`Exec`].
    ///
    /// ```no_run
    /// # async fn run(cache: castoff::Container) -> castoff::Result<()> {
    /// let out = cache.exec(["redis-cli", "ping"]).await?;
    /// assert_eq!(out.stdout, b"PONG\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec(&self, command: impl IntoIterator<Item = impl Into<String>>) -> Exec {
        let command = command.into_iter().map(Into::into).collect();
        Exec::new(self.client().clone(), self.id().to_owned(), command, self.guard.process())
    }

    pub(super) fn spec_shared(&self) -> Arc<ContainerSpec> {
        self.spec.clone()
    }

    /// Joins a network while the container runs, under these aliases.
    ///
    /// # Errors
    /// Fails if the engine refuses, for instance because the container is part of that network
    /// already.
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may or may not have joined.
    pub async fn connect(&self, network: &Network, aliases: impl IntoAliases) -> Result<()> {
        network.guard().check().map_err(|error| self.told(error))?;
        let to = Attachment::new(network.id()).with_aliases(aliases.into_aliases());
        let joined = self.own_client()?.connect_network(self.id(), &self.name, &to).await;
        joined.map_err(|error| self.told(error.at("connect")))?;
        self.guard.depends_on(network.guard());
        self.inspect().await.map(drop)
    }

    /// Leaves a network.
    ///
    /// # Errors
    /// Fails if the engine refuses, for instance because the container is not part of that network.
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may or may not have left.
    pub async fn disconnect(&self, network: &Network) -> Result<()> {
        let left = self.own_client()?.disconnect_network(self.id(), network.id()).await;
        left.map_err(|error| self.told(error.at("disconnect")))?;
        self.inspect().await.map(drop)
    }

    /// Makes an image of its file system as it is now, under a name such as `app:seeded`. The
    /// container is paused meanwhile. The image is removed when its handle is dropped; until it is
    /// kept, it has a name of castoff's as well (not on Podman).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that is none; whatever the engine says otherwise.
    ///
    /// # Cancel safety
    /// When the future is dropped, the image is removed if it was created.
    pub async fn commit(&self, name: impl AsRef<str>) -> Result<Image> {
        self.guard.check().map_err(|error| self.told(error))?;
        let made = Image::commit(self.engine(), self.id(), name.as_ref()).await;
        made.map_err(|error| self.told(error.at("commit")))
    }

    /// Keeps the container beyond this handle and this program, with the networks and volumes of
    /// castoff's that it uses. Returns its name. [`Engine::remove_kept`] removes it.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> String {
        self.guard.keep();
        self.name
    }

    /// Kills and removes the container now. A drop does the same without reporting errors. A shared
    /// container is removed only if nobody else uses it.
    ///
    /// # Errors
    /// Fails if the engine could not remove it, after some attempts.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        self.guard.remove().await.map_err(|error| self.told(error))
    }

    pub(super) fn client(&self) -> &Client {
        self.engine.client()
    }

    /// Returns the client for a call about this container; fails in a process forked from its
    /// owner.
    pub(super) fn own_client(&self) -> Result<&Client> {
        self.guard.check().map_err(|error| self.told(error))?;
        Ok(self.client())
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(super) fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    pub(super) fn waits(&self) -> Option<&[WaitFor]> {
        self.waits.as_deref()
    }

    pub(super) fn with_forwarders(mut self, forwarders: Arc<Vec<Forwarder>>) -> Self {
        self._forwarders = forwarders;
        self
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    pub(super) fn startup_timeout(&self) -> Duration {
        self.startup_timeout
    }

    /// Returns the details of the last inspect call.
    pub(super) fn known(&self) -> ContainerDetails {
        self.details.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the restart policy in effect: a raw edit may have changed that of the spec.
    pub(super) fn restarts(&self) -> RestartPolicy {
        match self.spec.restart {
            RestartPolicy::No => self.known().restart,
            policy => policy,
        }
    }

    pub(super) fn weakly_known(&self) -> Weak<RwLock<ContainerDetails>> {
        Arc::downgrade(&self.details)
    }

    pub(super) fn relearn(&self, details: ContainerDetails) {
        // Keeps a fork from leaving this lock held for ever in the child.
        let _section = Opening::enter();
        *self.details.write().unwrap_or_else(PoisonError::into_inner) = details;
    }

    pub(super) fn told(&self, error: Error) -> Error {
        error.with_image(self.image()).with_container(&self.name)
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("name", &self.name)
            .field("image", &self.spec.image)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

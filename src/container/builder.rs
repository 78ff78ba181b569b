//! [`ContainerBuilder`]: the description of a container. The rarer settings are in `options`.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Container, CopySource, IntoAliases};
use crate::connection::Engine;
use crate::engine::{CreateBody, LogFrame, OUTPUT_LIMIT};
use crate::error::{Error, Result};
use crate::reaper::Guard;
use crate::spec::{Attachment, ContainerSpec, HostBinding, IntoPort, Mount, Port, PullPolicy};
use crate::wait::WaitFor;
use crate::{Network, Volume};

pub(super) type RawEdit = Arc<dyn Fn(&mut CreateBody) + Send + Sync>;
pub(super) type Hook = Arc<dyn Fn(Container) -> HookFuture + Send + Sync>;
pub(super) type HookFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
pub(super) type LogConsumer = Arc<dyn Fn(LogFrame) + Send + Sync>;

/// The hooks that run after a container's start and after it is ready.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) started: Vec<Hook>,
    pub(super) ready: Vec<Hook>,
}

/// A description of a container. Nothing happens before [`start`](Self::start),
/// [`create`](Self::create) or [`run`](Self::run), and all errors come from those.
///
/// ```no_run
/// use castoff::{Container, WaitFor};
///
/// # async fn run() -> castoff::Result<()> {
/// let cache = Container::builder("redis:7")
///     .with_port(6379)
///     .with_tmpfs("/data")
///     .with_wait(WaitFor::log("Ready to accept connections"))
///     .start()
///     .await?;
/// println!("redis listens on {}", cache.addr(6379)?);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is created before `start()`, `create()` or `run()`"]
pub struct ContainerBuilder {
    pub(super) engine: Option<Engine>,
    pub(super) spec: ContainerSpec,
    pub(super) waits: Option<Vec<WaitFor>>,
    pub(super) copies: Vec<(CopySource, String)>,
    pub(super) pull: PullPolicy,
    pub(super) startup_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) log_consumers: Vec<LogConsumer>,
    pub(super) raw: Vec<RawEdit>,
    pub(super) hooks: Hooks,
    pub(super) host_ports: Vec<u16>,
    pub(super) exposed_ports: bool,
    pub(super) all_interfaces: bool,
    pub(super) uses: Vec<Arc<Guard>>,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) output_limit: usize,
    /// The first value that can't be used.
    pub(super) problem: Option<Error>,
}

impl ContainerBuilder {
    /// Describes a container by a plain value, such as one read from a file.
    ///
    /// ```no_run
    /// # async fn run(json: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// use castoff::ContainerBuilder;
    /// use castoff::spec::ContainerSpec;
    ///
    /// // Such as `{ "image": "redis:7", "env": { "TZ": "UTC" } }`.
    /// let spec: ContainerSpec = serde_json::from_str(json)?;
    /// let cache = ContainerBuilder::from_spec(spec).with_port(6379).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_spec(spec: ContainerSpec) -> Self {
        ContainerBuilder {
            engine: None,
            spec,
            waits: Some(Vec::new()),
            copies: Vec::new(),
            pull: PullPolicy::default(),
            startup_timeout: Duration::from_secs(60),
            attempts: 1,
            log_consumers: Vec::new(),
            raw: Vec::new(),
            hooks: Hooks::default(),
            host_ports: Vec::new(),
            exposed_ports: false,
            all_interfaces: false,
            uses: Vec::new(),
            stdin: None,
            output_limit: OUTPUT_LIMIT,
            problem: None,
        }
    }

    /// Sets the engine to use. Default: the process-wide one of [`Engine::connect`].
    pub fn with_engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// Returns the engine that was set, if any.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// Replaces the image. For code that is given a builder.
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.spec.image = image.into();
        self
    }

    /// Sets the name. Default: a unique one.
    ///
    /// A name in use is an error, except by a container of this process that is being removed: then
    /// the start waits for the removal.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// Adds an environment variable.
    pub fn with_env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.env.insert(key.into(), value.into());
        self
    }

    /// Adds several environment variables.
    pub fn with_envs(
        mut self,
        vars: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        self.spec.env.extend(vars.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Sets the command, or the arguments of the entrypoint. Default: the image's.
    pub fn with_command(mut self, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.command = Some(argv.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the entrypoint. Default: the image's.
    pub fn with_entrypoint(mut self, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.entrypoint = Some(argv.into_iter().map(Into::into).collect());
        self
    }

    /// Publishes a port on a free port of the loopback interface: `6379`, or `"53/udp"`.
    pub fn with_port(self, port: impl IntoPort) -> Self {
        self.publish(port.into_port(), HostBinding::free())
    }

    /// Publishes a port on a fixed host port of the loopback interface.
    ///
    /// Two containers can't use the same one: prefer [`with_port`](Self::with_port).
    pub fn with_fixed_port(self, host_port: u16, port: impl IntoPort) -> Self {
        self.publish(port.into_port(), HostBinding::fixed(host_port))
    }

    /// Publishes a port with a custom binding, on another address for instance.
    pub fn with_port_binding(self, port: impl IntoPort, binding: HostBinding) -> Self {
        self.publish(port.into_port(), binding)
    }

    fn publish(mut self, port: Result<Port>, binding: HostBinding) -> Self {
        match port {
            Ok(port) => {
                self.spec.ports.insert(port, binding);
            }
            Err(error) => self.refuse(error),
        }
        self
    }

    /// Publishes every port that the image exposes on a free port of the loopback interface. Ports
    /// with a binding of their own keep it. The image is inspected before the container is created,
    /// and pulled for that if necessary.
    pub fn with_exposed_ports(mut self) -> Self {
        self.exposed_ports = true;
        self
    }

    /// Publishes ports on all IPv4 interfaces of the engine's machine instead of on loopback.
    /// Everyone who reaches the machine then reaches the container.
    pub fn with_all_interfaces(mut self) -> Self {
        self.all_interfaces = true;
        self
    }

    /// Lets the container reach a TCP port of this machine's loopback: `127.0.0.1:8080` here is
    /// `host.docker.internal:8080` in the container. May be called for several ports.
    ///
    /// A forwarder in this program listens on the gateway's address of the container's (first)
    /// network, and ends with the last handle of the container. Only containers of that network can
    /// use it: connections from other addresses are refused. A service that listens on all
    /// addresses is reached without it. The engine must be on this machine and use this machine's
    /// bridges, so the start fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)
    /// on Docker Desktop and on rootless engines. It also fails on Podman for a network that no
    /// container has used yet, as its bridge does not exist.
    pub fn with_host_port(mut self, port: u16) -> Self {
        if port == 0 {
            self.refuse(Error::invalid("host port", "port 0 is none"));
        }
        self.host_ports.push(port);
        self
    }

    /// Joins a network, under the container's name and these aliases: `()`, `"cache"` or
    /// `["cache", "redis"]`. May be called for several networks. The network is kept until this
    /// container is removed.
    pub fn with_network(mut self, network: &Network, aliases: impl IntoAliases) -> Self {
        self.uses.push(network.guard().clone());
        let attachment = Attachment::new(network.id()).with_aliases(aliases.into_aliases());
        self.with_attachment(attachment)
    }

    /// Joins a network with custom settings: one that castoff did not create, or with a fixed
    /// address.
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.spec.networks.push(attachment);
        self
    }

    /// Adds a mount: see [`Mount`].
    pub fn with_mount(mut self, mount: Mount) -> Self {
        self.spec.mounts.push(mount);
        self
    }

    /// Mounts an empty file system in memory, which is lost with the container.
    pub fn with_tmpfs(self, target: impl Into<String>) -> Self {
        self.with_mount(Mount::tmpfs(target))
    }

    /// Mounts a file or directory of the engine's machine, by its absolute path.
    pub fn with_bind(self, source: impl Into<PathBuf>, target: impl Into<String>) -> Self {
        self.with_mount(Mount::bind(source, target))
    }

    /// Mounts a volume. The volume is kept until this container is removed.
    pub fn with_volume(mut self, volume: &Volume, target: impl Into<String>) -> Self {
        self.uses.push(volume.guard().clone());
        self.with_mount(Mount::volume(volume.name(), target))
    }

    /// Copies bytes, a file, a directory or a reader into the container before it starts. Missing
    /// parent directories are created. A target that ends in `/` is the directory to copy into. An
    /// existing path of the image is replaced by the same kind only: else the start fails with
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict).
    ///
    /// A copy into a tmpfs, `/dev/shm` or a volume in memory is made after the start, when these
    /// exist, and before the waits: the process may look for it earlier, and it is lost at a
    /// restart. See [`Container::copy_to`](crate::Container::copy_to).
    pub fn with_copy(mut self, source: impl Into<CopySource>, target: impl Into<String>) -> Self {
        self.copies.push((source.into(), target.into()));
        self
    }

    /// Adds a condition for the container to be ready. Several are waited for at the same time.
    /// Default: its health check; else its published TCP ports; else that it runs.
    pub fn with_wait(mut self, wait: impl Into<WaitFor>) -> Self {
        self.waits.get_or_insert_default().push(wait.into());
        self
    }

    /// Returns the conditions that were added; `None` if the start does not wait.
    pub(crate) fn waits(&self) -> &Option<Vec<WaitFor>> {
        &self.waits
    }

    /// Replaces all conditions.
    pub(crate) fn with_waits(mut self, waits: Option<Vec<WaitFor>>) -> Self {
        self.waits = waits;
        self
    }

    /// `start` returns as soon as the engine has started the container, without waiting for anything.
    pub fn without_wait(mut self) -> Self {
        self.waits = None;
        self
    }

    /// Adds a hook that runs after each start and before the waits, for example to copy a file or
    /// run a command that the service needs to become ready. Several run one after the other,
    /// within the startup timeout. An error fails the start, and everything created is removed. For
    /// a [shared](Self::shared) container only its creator runs them, and they do not distinguish
    /// two containers.
    ///
    /// The hook gets a handle: a clone that it stores elsewhere keeps the container.
    pub fn with_hook_after_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Container) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.started.push(Arc::new(move |container| Box::pin(hook(container))));
        self
    }

    /// Adds a hook that runs after each start, once the container is ready. Otherwise as
    /// [`with_hook_after_start`](Self::with_hook_after_start).
    pub fn with_hook_after_ready<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Container) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.ready.push(Arc::new(move |container| Box::pin(hook(container))));
        self
    }

    /// Limits the create call, and after it the time until the container is ready. Pulling the
    /// image does not count. Default: 60 s.
    pub fn with_startup_timeout(mut self, limit: Duration) -> Self {
        self.startup_timeout = limit;
        self
    }

    /// Sets the number of attempts to start, each with a new container. Default: 1.
    pub fn with_startup_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets when the image is pulled. Default: if the engine doesn't have it.
    pub fn with_pull_policy(mut self, policy: PullPolicy) -> Self {
        self.pull = policy;
        self
    }

    /// Adds a consumer that is called with every frame of output, from the first on and over
    /// restarts, until the container is removed. Each consumer runs on a thread of its own, without
    /// your runtime: a slow or panicking one does not affect others. Output of the last moments
    /// before a removal or the program's end may be missed.
    pub fn with_log_consumer(
        mut self,
        consumer: impl Fn(LogFrame) + Send + Sync + 'static,
    ) -> Self {
        self.log_consumers.push(Arc::new(consumer));
        self
    }

    /// Changes the body of the create call right before it is sent. The type is that of the API
    /// client behind [`Engine`], which castoff's own versioning does not cover: hence the feature.
    ///
    /// Several edits follow each other in the order in which they were given. Each is called for
    /// every create call that is sent, with a body that was made anew: again after the image had to
    /// be pulled, and for each startup attempt; for a shared container also to find out whether one
    /// like it is there. It should give the same each time. castoff's own labels are put back after
    /// it, as a container without them would have no owner; the name is no part of the body.
    #[cfg(feature = "unstable-bollard")]
    pub fn with_raw(mut self, edit: impl Fn(&mut CreateBody) + Send + Sync + 'static) -> Self {
        self.raw.push(Arc::new(edit));
        self
    }

    /// Returns the description so far, as a plain value.
    #[must_use]
    pub fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    pub(super) fn refuse(&mut self, error: Error) {
        self.problem.get_or_insert(error);
    }
}

/// Closures are shared between the clones. A reader to copy can be read once only: if a builder has
/// one, its clone fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is
/// started.
impl Clone for ContainerBuilder {
    fn clone(&self) -> Self {
        let again =
            |(source, target): &(CopySource, String)| Some((source.again()?, target.clone()));
        let copies: Vec<_> = self.copies.iter().filter_map(again).collect();
        let mut problem = self.problem.clone();
        if copies.len() < self.copies.len() {
            let message =
                "a reader can be copied once only, so not by the clone of a builder as well";
            problem.get_or_insert_with(|| Error::invalid("copy source", message));
        }
        ContainerBuilder {
            engine: self.engine.clone(),
            spec: self.spec.clone(),
            waits: self.waits.clone(),
            copies,
            pull: self.pull,
            startup_timeout: self.startup_timeout,
            attempts: self.attempts,
            log_consumers: self.log_consumers.clone(),
            raw: self.raw.clone(),
            hooks: self.hooks.clone(),
            host_ports: self.host_ports.clone(),
            exposed_ports: self.exposed_ports,
            all_interfaces: self.all_interfaces,
            uses: self.uses.clone(),
            stdin: self.stdin.clone(),
            output_limit: self.output_limit,
            problem,
        }
    }
}

impl fmt::Debug for ContainerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.debug_struct("ContainerBuilder")
            .field("image", &self.spec.image)
            .field("name", &self.spec.name)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

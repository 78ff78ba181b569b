//! [`Network`]: a network of a test's own, removed when its handle is dropped.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::connection::Engine;
use crate::engine::ApiVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{Guard, Kind, Lease, SHARE_LIMIT, Share, Worker};
use crate::spec::{NetworkSpec, Subnet, spec_hash};

/// A network, removed when this handle and all containers that joined it are gone. A clone is another handle
/// to the same network, which stays until the last of them is gone.
///
/// Containers in it find each other by name and by alias, and nobody else finds them.
///
/// ```no_run
/// # async fn run() -> castoff::Result<()> {
/// use castoff::{Container, Network};
///
/// let net = Network::create().await?;
/// let web = Container::builder("nginx:1").with_network(&net, "web").start().await?;
/// let got = Container::builder("busybox:1")
///     .with_network(&net, ())
///     .with_command(["wget", "-qO-", "http://web/"])
///     .run()
///     .await?;
/// # drop((web, got));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "the network is removed when its handle is dropped"]
pub struct Network {
    engine: Engine,
    guard: Arc<Guard>,
    name: String,
}

impl Network {
    /// Creates a network with a unique name.
    ///
    /// # Errors
    /// As for [`NetworkBuilder::create`].
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the network is removed if it was created.
    pub async fn create() -> Result<Network> {
        Network::builder().create().await
    }

    /// Describes a network.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::from_spec(NetworkSpec::default())
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.guard.id()
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the engine that the network is on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the network beyond this handle and this program, and returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> String {
        self.guard.keep();
        self.name
    }

    /// Removes the network now.
    ///
    /// # Errors
    /// Fails if the engine could not remove it, after some attempts, usually because containers are
    /// still in it. Containers whose handles were dropped are removed first.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        self.guard.remove().await
    }

    pub(crate) fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A description of a network. Nothing happens before [`create`](Self::create).
#[derive(Clone, Debug)]
#[must_use = "nothing is created before `create()`"]
pub struct NetworkBuilder {
    engine: Option<Engine>,
    spec: NetworkSpec,
}

impl NetworkBuilder {
    /// Describes a network by a plain value, such as one read from a file.
    pub fn from_spec(spec: NetworkSpec) -> Self {
        NetworkBuilder { engine: None, spec }
    }

    /// What has been described so far, as a plain value.
    #[must_use]
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// Sets the engine to use. Default: the process-wide one of [`Engine::connect`].
    pub fn with_engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// Sets the name. Default: a unique one.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// Sets the driver. Default: the engine's, `bridge`.
    pub fn with_driver(mut self, driver: impl Into<String>) -> Self {
        self.spec.driver = Some(driver.into());
        self
    }

    /// Adds an option of the driver.
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.options.insert(key.into(), value.into());
        self
    }

    /// Adds a label. Keys that begin with `castoff.` are reserved for castoff.
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.insert(key.into(), value.into());
        self
    }

    /// Cuts the network off from the outside in both directions: published ports don't work for
    /// containers that are in no other network.
    pub fn with_internal(mut self) -> Self {
        self.spec.internal = true;
        self
    }

    /// Assigns IPv6 addresses as well.
    pub fn with_ipv6(mut self) -> Self {
        self.spec.ipv6 = true;
        self
    }

    /// Allows attaching containers manually if the network spans a swarm.
    pub fn with_attachable(mut self) -> Self {
        self.spec.attachable = true;
        self
    }

    /// Adds a subnet, such as `172.30.7.0/24`. Default: a free one that the engine chooses.
    pub fn with_subnet(mut self, cidr: impl Into<String>) -> Self {
        self.spec.subnets.push(Subnet::new(cidr));
        self
    }

    /// Adds a subnet and the address of the gateway in it.
    pub fn with_subnet_and_gateway(mut self, cidr: impl Into<String>, gateway: IpAddr) -> Self {
        self.spec.subnets.push(Subnet::new(cidr).with_gateway(gateway));
        self
    }

    /// Creates the network.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] names the value that can't be used; [`ErrorKind::Conflict`] when
    /// the name is taken; else the engine's error.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the network is removed if it was created.
    pub async fn create(self) -> Result<Network> {
        self.spec.validate()?;
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::connect().await?,
        };
        create(&engine, &self.spec, None).await
    }

    /// Creates the network, or joins the existing one that has exactly the same description: see
    /// [`ContainerBuilder::shared`](crate::ContainerBuilder::shared). A shared container should be
    /// in shared networks only: others are removed with the process that created them.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the network is removed if it was created.
    pub async fn shared(self) -> Result<Network> {
        self.shared_as("").await
    }

    /// Shares the network as [`shared`](Self::shared) does, with callers that name the same scope
    /// only.
    ///
    /// # Errors
    /// As for [`shared`](Self::shared).
    ///
    /// # Cancel safety
    /// As for [`shared`](Self::shared).
    pub async fn shared_as(self, scope: impl Into<String>) -> Result<Network> {
        self.spec.validate()?;
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::connect().await?,
        };
        let key = spec_hash(&(&self.spec, scope.into(), &engine.config().session));
        let key = key.get(..32).unwrap_or(&key).to_owned();
        loop {
            match Guard::share(
                engine.client(),
                engine.owner(),
                Kind::Network,
                key.clone(),
                SHARE_LIMIT,
            )
            .await?
            {
                Share::Joined(guard, made) if engine.client().has_network(&made.id).await? => {
                    return Ok(Network { engine, guard: Arc::new(guard), name: made.name });
                }
                Share::Joined(guard, _) => guard.abandon().await?,
                Share::Vacant(lease) => {
                    let network = create(&engine, &self.spec, Some(lease)).await?;
                    network.guard.shared(&network.name, "-")?;
                    return Ok(network);
                }
            }
        }
    }
}

/// Creates the network. A conflict is tried again: a network of ours with this name or subnet may still
/// be being removed.
async fn create(engine: &Engine, spec: &NetworkSpec, lease: Option<Arc<Lease>>) -> Result<Network> {
    let create = || create_once(engine.clone(), spec.clone(), lease.clone());
    Worker::start()?.create(engine.endpoint(), create, is_in_the_way).await
}

/// Returns whether the engine refused because a name or an address range is in use.
fn is_in_the_way(error: &Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    let words = ["overlap", "address pool", "already used", "already in use", "already exists"];
    error.kind() == ErrorKind::Conflict
        || (error.is_engine_answer() && words.iter().any(|words| text.contains(words)))
}

async fn create_once(
    engine: Engine,
    spec: NetworkSpec,
    lease: Option<Arc<Lease>>,
) -> Result<Network> {
    let guard = Guard::arm(engine.client(), engine.owner(), Kind::Network, lease.as_ref()).await?;
    let name = spec.name.clone().unwrap_or_else(|| guard.resource().to_owned());
    match engine.client().create_network(&spec, &name, &guard.labels()).await {
        Ok(id) => guard.created(&id),
        Err(error) => {
            guard.refused(&error);
            return Err(error.at("create"));
        }
    }
    let network = Network { engine: engine.clone(), guard: Arc::new(guard), name };
    // Engines before API 1.44 allow several networks of one name.
    if spec.name.is_some() && engine.api_version() < ApiVersion::new(1, 44) {
        let same = engine.client().networks_named(&network.name).await?;
        if same.iter().any(|id| id != network.id()) {
            let message = format!("a network named `{}` exists already", network.name);
            return Err(Error::new(ErrorKind::Conflict, message).at("create"));
        }
    }
    Ok(network)
}

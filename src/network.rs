//! [`Network`]: a network of its own for a test, gone when it is dropped.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::{ApiVersion, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{Guard, Kind, Lease, Share, Worker};
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
    guard: Arc<Guard>,
    name: String,
}

impl Network {
    /// Creates a network with a name that no other has.
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

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.guard.id()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine it is on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.guard.engine()
    }

    /// Lets the network live on after this handle and this program. Returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> String {
        self.guard.keep();
        self.name
    }

    /// Removes it now.
    ///
    /// # Errors
    /// When the engine could not remove it, after some attempts: containers still in it are the
    /// usual reason. What was dropped goes first by itself.
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

/// Describes a network. Nothing happens before [`create`](Self::create).
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

    /// The engine to use. Default: the process-wide one of [`Engine::connect`].
    pub fn with_engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// A name of your own. Default: one that no other network has.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// The driver. Default: the engine's, `bridge`.
    pub fn with_driver(mut self, driver: impl Into<String>) -> Self {
        self.spec.driver = Some(driver.into());
        self
    }

    /// An option of the driver.
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.options.insert(key.into(), value.into());
        self
    }

    /// A label. Keys that begin with `castoff.` are castoff's own.
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.insert(key.into(), value.into());
        self
    }

    /// No way out of it, and none in: published ports don't work for containers that are in no
    /// other network.
    pub fn with_internal(mut self) -> Self {
        self.spec.internal = true;
        self
    }

    /// Gives IPv6 addresses as well.
    pub fn with_ipv6(mut self) -> Self {
        self.spec.ipv6 = true;
        self
    }

    /// Lets containers be attached by hand where the network spans a swarm.
    pub fn with_attachable(mut self) -> Self {
        self.spec.attachable = true;
        self
    }

    /// A subnet, such as `172.30.7.0/24`. Default: one that the engine finds free.
    pub fn with_subnet(mut self, cidr: impl Into<String>) -> Self {
        self.spec.subnets.push(Subnet::new(cidr));
        self
    }

    /// A subnet with the gateway's address in it.
    pub fn with_subnet_and_gateway(mut self, cidr: impl Into<String>, gateway: IpAddr) -> Self {
        self.spec.subnets.push(Subnet::new(cidr).with_gateway(gateway));
        self
    }

    /// Creates the network.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] names what was given and can't be used;
    /// [`ErrorKind::Conflict`] when the name is taken; whatever the engine says otherwise.
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

    /// Creates the network, or joins the one that was created for exactly the same: see
    /// [`ContainerBuilder::shared`](crate::ContainerBuilder::shared). A container that is shared
    /// should be in no networks but shared ones: others go with their process.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the network is removed if it was created.
    pub async fn shared(self) -> Result<Network> {
        self.shared_as("").await
    }

    /// As [`shared`](Self::shared), with those only who name the same scope.
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
            match Guard::share(&engine, Kind::Network, key.clone(), crate::reaper::SHARE_LIMIT)
                .await?
            {
                Share::Joined(guard, made) if engine.has_network(&made.id).await? => {
                    return Ok(Network { guard: Arc::new(guard), name: made.name });
                }
                Share::Joined(guard, _) => guard.renounce().await?,
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

/// The engine refused for the sake of a name or a range of addresses that is in use.
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
    let guard = Guard::arm_for(&engine, Kind::Network, lease.as_ref()).await?;
    let name = spec.name.clone().unwrap_or_else(|| guard.resource().to_owned());
    match engine.create_network(&spec, &name, &guard.labels()).await {
        Ok(id) => guard.created(&id),
        Err(error) => {
            guard.refused(&error);
            return Err(error.at("create"));
        }
    }
    let network = Network { guard: Arc::new(guard), name };
    // Before API 1.44, engines give one name to several networks.
    if spec.name.is_some() && engine.api_version() < ApiVersion::new(1, 44) {
        let same = engine.networks_named(&network.name).await?;
        if same.iter().any(|id| id != network.id()) {
            let message = format!("a network named `{}` exists already", network.name);
            return Err(Error::new(ErrorKind::Conflict, message).at("create"));
        }
    }
    Ok(network)
}

//! Layer 3: [`Engine`], the public face of an engine: its calls, and the owner of what they create.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::engine::{
    ApiVersion, Client, Containers, Endpoint, EngineKind, Networks, Volumes, discover,
};
use crate::error::{Error, Result};
use crate::forks::PerProcess;
use crate::image::Images;
use crate::reaper::{self, Owner, Reaper, SweepReport};

/// A connection to a container engine: Docker, or Podman's Docker-compatible service.
///
/// Cheap to clone: all clones share one value. Every builder uses the process-wide engine of
/// [`Engine::connect`], unless `.with_engine(&engine)` sets another.
///
/// No connection is kept open between calls, so an engine can be used from any number of runtimes,
/// and outlives each of them.
#[derive(Clone)]
pub struct Engine {
    client: Client,
    owner: Arc<Owner>,
}

/// Removes the resources that dead sessions of this host left on the engine of [`Engine::connect`];
/// see [`Engine::sweep`].
///
/// # Errors
/// As for [`Engine::connect`] and [`Engine::sweep`].
///
/// # Cancel safety
/// Removals that have begun go on when the future is dropped.
pub async fn sweep() -> Result<SweepReport> {
    Engine::connect().await?.sweep().await
}

impl Engine {
    /// Returns the process-wide engine, which the first call connects with [`Config::from_env`].
    ///
    /// Tries `CASTOFF_ENGINE`, then `DOCKER_HOST`, then the current docker context, and then the
    /// known sockets: Docker's (rootful, rootless, Desktop), Podman's, Colima's, OrbStack's and
    /// Rancher Desktop's. The first that answers is used. If one is set explicitly, no other is
    /// tried.
    ///
    /// # Errors
    /// [`ErrorKind::NoEngine`] if none answers; the message lists every candidate and why it was
    /// refused. A failure is not remembered: the next call tries again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    ///
    /// [`ErrorKind::NoEngine`]: crate::ErrorKind::NoEngine
    pub async fn connect() -> Result<Engine> {
        static PROCESS: PerProcess<OnceCell<Engine>> = PerProcess::new();
        PROCESS.here().get_or_try_init(|| Engine::connect_with(Config::from_env())).await.cloned()
    }

    /// Connects with settings of its own, separately from the process-wide engine.
    ///
    /// # Errors
    /// As for [`Engine::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn connect_with(config: Config) -> Result<Engine> {
        discover(config).await.map(Engine::new)
    }

    /// Connects to one endpoint: an [`Endpoint`], or its text, `unix:///path` or
    /// `tcp://host:port`. All other settings come from the environment.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an endpoint that can't be read, [`ErrorKind::NoEngine`]
    /// when nothing answers there.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    ///
    /// [`ErrorKind::InvalidInput`]: crate::ErrorKind::InvalidInput
    /// [`ErrorKind::NoEngine`]: crate::ErrorKind::NoEngine
    pub async fn connect_to<E>(endpoint: E) -> Result<Engine>
    where
        E: TryInto<Endpoint, Error: Into<Error>>,
    {
        let endpoint = endpoint.try_into().map_err(Into::into)?;
        let mut config = Config::from_env();
        config.engine = Some(endpoint.to_string());
        Engine::connect_with(config).await
    }

    /// Returns whether it is Docker or Podman.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.client.kind()
    }

    /// Returns the engine's own version, such as `20.10.24`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.client.version()
    }

    /// Returns the newest API version that the engine speaks.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        self.client.api_version()
    }

    /// Returns the operating system that containers run on, such as `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        self.client.os()
    }

    /// Returns the architecture of the engine's machine, such as `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.client.architecture()
    }

    /// Returns the endpoint that the engine listens on.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// Returns the settings of this connection.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.client.config()
    }

    /// Returns the address that reaches the ports published by this engine: `127.0.0.1` for an
    /// engine on this machine.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.client.host()
    }

    /// Returns bollard's client, on the same dialer, for calls that castoff lacks.
    ///
    /// Resources that it creates have no owner and are never cleaned up. bollard's version is not
    /// covered by castoff's own semantic versioning.
    #[cfg(feature = "unstable-bollard")]
    #[must_use]
    pub fn bollard(&self) -> &crate::engine::Docker {
        self.client.docker()
    }

    /// Queries the engine's containers, castoff's own and all others.
    pub fn containers(&self) -> Containers {
        self.client.containers()
    }

    /// Queries the engine's networks, castoff's own and all others.
    pub fn networks(&self) -> Networks {
        self.client.networks()
    }

    /// Queries the engine's volumes, castoff's own and all others.
    pub fn volumes(&self) -> Volumes {
        self.client.volumes()
    }

    /// Returns the engine's images.
    pub fn images(&self) -> Images {
        Images::new(self.client.clone())
    }

    /// Returns who removes the resources of this process if it ends without removing them. Before
    /// the first resource, returns who is going to.
    #[must_use]
    pub fn reaper(&self) -> Reaper {
        self.owner().reaper(self.config().reaper)
    }

    /// Removes the resources that dead sessions of this host left on this engine. Every process
    /// does so before its first resource; a program that runs for long may call this now and then.
    ///
    /// A session is dead when neither its process nor its guardian holds its lock (flock(2)).
    /// Resources of other hosts and of living processes stay, and so does what is still shared or
    /// was kept. If no session left anything, the engine gets no request.
    ///
    /// # Errors
    /// Fails if the state directory can't be used, or if the engine can't be reached or fails to
    /// remove something.
    ///
    /// # Cancel safety
    /// Removals that have begun go on when the future is dropped.
    pub async fn sweep(&self) -> Result<SweepReport> {
        reaper::sweep_now(&self.client).await
    }

    /// Removes the resources that were kept on this host, by `keep()` or by `CASTOFF_KEEP`.
    ///
    /// These are all resources with castoff's labels whose process is gone, those that living
    /// processes of this host have recorded as kept, and kept shared resources without a user.
    ///
    /// # Errors
    /// Fails if the state directory can't be used, or if the engine can't be reached or fails to
    /// remove something.
    ///
    /// # Cancel safety
    /// Removals that have begun go on when the future is dropped.
    pub async fn remove_kept(&self) -> Result<SweepReport> {
        reaper::remove_kept(&self.client, &self.owner()).await
    }

    fn new(client: Client) -> Engine {
        Engine { owner: Owner::of(&client), client }
    }

    /// Returns the client, which makes the calls.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the owner of what this process creates there. A process that was forked from the one
    /// that connected has an owner of its own.
    pub(crate) fn owner(&self) -> Arc<Owner> {
        if self.owner.process().is_current() { self.owner.clone() } else { Owner::of(&self.client) }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("endpoint", self.endpoint())
            .field("kind", &self.kind())
            .field("version", &self.version())
            .field("api", &self.api_version())
            .finish_non_exhaustive()
    }
}

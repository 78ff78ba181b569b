//! [`Engine`]: the connection, and the facts about the engine that were read once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use tokio::sync::OnceCell;

use super::dialer::Dialer;
use super::reach::Reach;
use super::test_host::{Place, TestHost};
use super::{Endpoint, discovery, failure};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::PerProcess;

/// Limit for calls that may take long: pulls, stops, commits.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection to a container engine: Docker, or Podman's Docker-compatible service.
///
/// Cheap to clone: all clones share one value. Every builder uses the process-wide engine of
/// [`Engine::connect`], unless `.with_engine(&engine)` sets another.
///
/// No connection is kept open between calls, so an engine can be used from any number of runtimes,
/// and outlives each of them.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    docker: Docker,
    dialer: Dialer,
    endpoint: Endpoint,
    identity: String,
    kind: EngineKind,
    version: String,
    api: ApiVersion,
    os: String,
    architecture: String,
    reach: Reach,
    test_host: TestHost,
    config: Config,
}

/// The product behind an [`Engine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// Docker, or an engine that can't be distinguished from it.
    Docker,
    /// Podman's Docker-compatible service.
    Podman,
}

/// A version of the Engine API, as in `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ApiVersion {
    /// The part before the dot.
    pub major: u32,
    /// The part after the dot.
    pub minor: u32,
}

impl ApiVersion {
    /// Creates a version: `ApiVersion::new(1, 41)` is API 1.41.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        ApiVersion { major, minor }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
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
        discovery::discover(config).await
    }

    /// A connection to one endpoint: an [`Endpoint`], or its text, `unix:///path` or
    /// `tcp://host:port`. All other settings come from the environment.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an endpoint that can't be read, [`ErrorKind::NoEngine`]
    /// when nothing answers there.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
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
        self.0.kind
    }

    /// Returns the engine's own version, such as `20.10.24`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Returns the newest API version that the engine speaks.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        self.0.api
    }

    /// Returns the operating system that containers run on, such as `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.0.os
    }

    /// Returns the architecture of the engine's machine, such as `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.0.architecture
    }

    /// Returns the endpoint that the engine listens on.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns the settings of this connection.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns the address that reaches the ports published by this engine: `127.0.0.1` for an
    /// engine on this machine.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.0.reach.address
    }

    /// Returns bollard's client, on the same dialer, for calls that castoff lacks.
    ///
    /// Resources that it creates have no owner and are never cleaned up. bollard's version is not
    /// covered by castoff's own semantic versioning.
    #[cfg(feature = "unstable-bollard")]
    #[must_use]
    pub fn bollard(&self) -> &Docker {
        &self.0.docker
    }

    /// A short name for the engine, the same by whatever path it is reached. Found out when the
    /// connection is made, so it stays also while the engine's socket is away.
    pub(crate) fn identity(&self) -> &str {
        &self.0.identity
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.0.kind == EngineKind::Podman
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.0.docker
    }

    /// Returns a client practically without a timeout, for long calls; dropping the future cancels
    /// them.
    pub(super) fn patient(&self) -> Docker {
        self.0.docker.clone().with_timeout(PATIENCE)
    }

    /// Returns the dialer, for calls that would be too expensive with bollard.
    pub(super) fn dialer(&self) -> &Dialer {
        &self.0.dialer
    }

    /// Returns the test host: the container or machine of this program, from the engine's view.
    pub(crate) fn test_host(&self) -> &TestHost {
        &self.0.test_host
    }

    pub(crate) fn reach(&self) -> Reach {
        self.0.reach
    }

    /// Connects to an endpoint and identifies the engine, by one call that is also the ping.
    pub(super) async fn open(
        endpoint: Endpoint,
        limit: Duration,
        config: Config,
    ) -> Result<Engine> {
        let dialer = Dialer::new(endpoint.clone());
        let sender = dialer.clone();
        let transport = move |request: BollardRequest| {
            let dialer = sender.clone();
            async move { dialer.send(request).await }
        };
        // bollard wants an address to build URLs from; the dialer uses the path only.
        let docker = Docker::connect_with_custom_transport(
            transport,
            Some("http://engine"),
            120,
            API_DEFAULT_VERSION,
        )
        .map_err(failure::lift("set up the connection"))?;
        let version = tokio::time::timeout(limit, docker.version())
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}")))?
            .map_err(failure::lift("ask for the version"))?;
        let components = version.components.unwrap_or_default();
        let podman = components.iter().any(|part| part.name.starts_with("Podman"));
        let api = version.api_version.as_deref().and_then(ApiVersion::parse).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "what answers there is no container engine")
        })?;
        let platform = version.platform.map(|platform| platform.name).unwrap_or_default();
        let place = Place::find(&endpoint, &docker).await;
        // Docker Desktop publishes ports on another machine than that of its bridges.
        let desktop = platform.starts_with("Docker Desktop");
        let reach = Reach::of(&endpoint, &config, &place, desktop).await?;
        Ok(Engine(Arc::new(Inner {
            docker,
            dialer,
            identity: endpoint.identity(),
            endpoint,
            kind: if podman { EngineKind::Podman } else { EngineKind::Docker },
            version: version.version.unwrap_or_default(),
            api,
            os: version.os.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            reach,
            test_host: place.test_host,
            config,
        })))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("endpoint", &self.0.endpoint)
            .field("kind", &self.0.kind)
            .field("version", &self.0.version)
            .field("api", &self.0.api)
            .finish_non_exhaustive()
    }
}

//! [`Client`]: the calls of an engine, and the facts about it that were read once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};

use super::dialer::Dialer;
use super::reach::Reach;
use super::test_host::{Place, TestHost};
use super::{Endpoint, failure};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// Limit for calls that may take long: pulls, stops, commits.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The calls of an engine's API, and what was learned of the engine when the connection was made.
/// It has no policy: what is created through it has no owner.
///
/// A cheap clone of one shared value. No connection is kept open between calls.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

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

/// The product behind an [`Engine`](crate::Engine).
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

impl Client {
    /// Returns whether it is Docker or Podman.
    pub(crate) fn kind(&self) -> EngineKind {
        self.0.kind
    }

    /// Returns the engine's own version, such as `20.10.24`.
    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    /// Returns the newest API version that the engine speaks.
    pub(crate) fn api_version(&self) -> ApiVersion {
        self.0.api
    }

    /// Returns the operating system that containers run on, such as `linux`.
    pub(crate) fn os(&self) -> &str {
        &self.0.os
    }

    /// Returns the architecture of the engine's machine, such as `amd64`.
    pub(crate) fn architecture(&self) -> &str {
        &self.0.architecture
    }

    /// Returns the endpoint that the engine listens on.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns the settings of this connection.
    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns the address that reaches the ports published by this engine: `127.0.0.1` for an
    /// engine on this machine.
    pub(crate) fn host(&self) -> IpAddr {
        self.0.reach.address
    }

    /// A short name for the engine, the same by whatever path it is reached. Found out when the
    /// connection is made, so it stays also while the engine's socket is away.
    pub(crate) fn identity(&self) -> &str {
        &self.0.identity
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.0.kind == EngineKind::Podman
    }

    /// bollard's client.
    pub(crate) fn docker(&self) -> &Docker {
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
    ) -> Result<Client> {
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
        Ok(Client(Arc::new(Inner {
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.0.endpoint)
            .field("kind", &self.0.kind)
            .field("version", &self.0.version)
            .field("api", &self.0.api)
            .finish_non_exhaustive()
    }
}

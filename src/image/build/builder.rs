//! [`ImageBuilder`]: the description of a build. The rarer settings are in `options`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::super::{BuildContext, Image};
use crate::connection::Engine;
use crate::dockerfile::Dockerfile;
use crate::engine::{Agent, BuildEvent, CacheEntry, OnEvent, Ulimit};
use crate::error::{Error, Result};
use crate::spec::{IntoPlatform, Platform};

/// A description of a build. Nothing happens before [`build`](Self::build), [`start`](Self::start)
/// or another method that runs it.
///
/// ```no_run
/// use castoff::Image;
/// use castoff::dockerfile::{Dockerfile, Run, Stage};
///
/// # async fn run(token: String) -> castoff::Result<()> {
/// // From a directory with a Dockerfile:
/// let image = Image::builder("./service").with_arg("VERSION", "1.2").build().await?;
///
/// // From a value:
/// let image = Dockerfile::new()
///     .stage(Stage::from_image("golang:1.22").named("builder")
///         .workdir("/app")
///         .copy(["go.mod", "go.sum"], "./")
///         .run(Run::shell("go mod download").cache("/go/pkg/mod").secret("token"))
///         .copy(".", ".")
///         .run("CGO_ENABLED=0 go build -o server ."))
///     .stage(Stage::scratch().copy_from("builder", "/app/server", "/server")
///         .user("65532").entrypoint(["/server"]))
///     .image("my-api:1.0.0").with_context("./service").with_secret("token", token).build().await?;
/// println!("{}", image.report());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is built before `build()`"]
pub struct ImageBuilder {
    pub(super) engine: Option<Engine>,
    pub(super) dockerfile: Source,
    pub(super) context: BuildContext,
    pub(super) named: Vec<(String, Named)>,
    pub(super) names: Vec<String>,
    pub(super) target: Option<String>,
    pub(super) args: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    /// Whether an image with a name of the user's gets castoff's label.
    pub(super) marked: bool,
    pub(super) platforms: Vec<Platform>,
    pub(super) no_cache: bool,
    pub(super) pull: bool,
    pub(super) network: Option<String>,
    pub(super) extra_hosts: Vec<(String, String)>,
    pub(super) shm_size: Option<u64>,
    pub(super) ulimits: Vec<Ulimit>,
    pub(super) cache_from: Vec<CacheEntry>,
    pub(super) cache_to: Vec<CacheEntry>,
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) agents: BTreeMap<String, Option<Agent>>,
    pub(super) backend: Option<BuildBackend>,
    pub(super) measure_stages: bool,
    pub(super) listeners: Vec<OnEvent>,
    /// The first thing that was given and can't be used.
    pub(super) problem: Option<Error>,
}

/// The source of the Dockerfile.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A path within the context.
    Path(String),
    Text(String),
    Value(Box<Dockerfile>),
}

#[derive(Clone)]
pub(super) enum Named {
    Context(BuildContext),
    Image(String),
}

/// A secret, or its location. It is never displayed.
#[derive(Clone)]
pub(super) enum Secret {
    Bytes(Bytes),
    File(PathBuf),
    Env(String),
}

/// The backend of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildBackend {
    /// BuildKit, over a session (feature `buildkit`; Docker 18.09 and newer).
    BuildKit,
    /// The engine's classic builder, which every engine has; on Podman, buildah.
    Classic,
}

impl fmt::Display for BuildBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildBackend::BuildKit => "BuildKit",
            BuildBackend::Classic => "the classic builder",
        })
    }
}

impl Image {
    /// Describes a build from a context, such as a directory, with the `Dockerfile` in it.
    pub fn builder(context: impl Into<BuildContext>) -> ImageBuilder {
        ImageBuilder::new(Source::Path("Dockerfile".to_owned())).with_context(context)
    }
}

impl Dockerfile {
    /// Describes its build under a name, `repository:tag`; the image stays when its handle is
    /// dropped.
    pub fn image(self, name: impl Into<String>) -> ImageBuilder {
        self.builder().with_name(name)
    }

    /// Describes its build, with an empty context unless one is set. Without a name, the image is
    /// removed with its last handle.
    pub fn builder(self) -> ImageBuilder {
        ImageBuilder::new(Source::Value(Box::new(self)))
    }

    /// Builds it without a context and a name: short for `builder().build()`.
    ///
    /// # Errors
    /// As for [`ImageBuilder::build`].
    ///
    /// # Cancel safety
    /// As for [`ImageBuilder::build`].
    pub async fn build(self) -> Result<Image> {
        self.builder().build().await
    }
}

impl ImageBuilder {
    fn new(dockerfile: Source) -> ImageBuilder {
        ImageBuilder {
            engine: None,
            dockerfile,
            context: BuildContext::empty(),
            named: Vec::new(),
            names: Vec::new(),
            target: None,
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            marked: true,
            platforms: Vec::new(),
            no_cache: false,
            pull: false,
            network: None,
            extra_hosts: Vec::new(),
            shm_size: None,
            ulimits: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            secrets: BTreeMap::new(),
            agents: BTreeMap::new(),
            backend: None,
            measure_stages: false,
            listeners: Vec::new(),
            problem: None,
        }
    }

    /// Sets the engine to use. Default: the process-wide one of [`Engine::connect`].
    pub fn with_engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// A name, `repository:tag`; call it again for several. An image with a name is yours: it stays
    /// when its handle goes, and is recognized when it is to be built again unchanged, by a
    /// [label](Self::without_build_label). Default: a name that no other image has, and the image
    /// goes with its last handle.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Sets the context that the Dockerfile copies from. Default: empty for a [`Dockerfile`] value.
    pub fn with_context(mut self, context: impl Into<BuildContext>) -> Self {
        self.context = context.into();
        self
    }

    /// Sets the Dockerfile, in place of the context's.
    pub fn with_dockerfile(mut self, dockerfile: Dockerfile) -> Self {
        self.dockerfile = Source::Value(Box::new(dockerfile));
        self
    }

    /// Sets the path of the Dockerfile within the context. Default: `Dockerfile`.
    pub fn with_dockerfile_path(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = Source::Path(path.into());
        self
    }

    /// Sets the text of the Dockerfile, which the engine gets unchanged.
    pub fn with_dockerfile_text(mut self, text: impl Into<String>) -> Self {
        self.dockerfile = Source::Text(text.into());
        self
    }

    /// Sets the stage to build. Default: the last one.
    pub fn with_target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets a build argument. Its value is visible in the image's history: for secrets, use
    /// [`with_secret`](Self::with_secret).
    pub fn with_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }

    /// Adds a label to the image.
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Omits castoff's own label from an image with a name of yours. Default: the image has the
    /// label `castoff.image.build`, a hash of all inputs of the build, and no other.
    ///
    /// Without it, an unchanged build is not recognized, but sent to the builder, which has its
    /// steps in its cache; and the image that had the name before stays, without a name.
    pub fn without_build_label(mut self) -> Self {
        self.marked = false;
        self
    }

    /// Adds a platform, such as `linux/arm64`. May be called several times. Default: the engine's.
    pub fn with_platform(mut self, platform: impl IntoPlatform) -> Self {
        match platform.into_platform() {
            Ok(platform) => self.platforms.push(platform),
            Err(error) => {
                self.problem.get_or_insert(error);
            }
        }
        self
    }

    /// Runs every step again. On Docker 20.10 and 26 this empties the cache mounts as well.
    pub fn without_cache(mut self) -> Self {
        self.no_cache = true;
        self
    }

    /// Checks the registry for newer base images.
    pub fn with_pull(mut self) -> Self {
        self.pull = true;
        self
    }

    /// Adds a secret for the steps that mount it (`RUN --mount=type=secret,id=..`), at most 500
    /// KiB. It is passed to BuildKit when such a step runs, and appears in no log, error, layer or
    /// history.
    pub fn with_secret(mut self, id: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.secrets.insert(id.into(), Secret::Bytes(content.into()));
        self
    }

    /// Adds a listener for the events of the build. It may be called on any thread, and should not
    /// block.
    pub fn with_event_listener(
        mut self,
        listener: impl Fn(BuildEvent) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Builds the image.
    ///
    /// BuildKit is used if the engine has it and the feature `buildkit` is on, else the classic
    /// builder. If nothing has changed since an image of the same [name](Self::with_name) was
    /// built, that image is returned, and nothing is sent. Concurrent builds of the same
    /// description in this process are combined into one.
    ///
    /// # Errors
    /// [`ErrorKind::Build`](crate::ErrorKind::Build) names the step that failed and its last log
    /// lines; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) names what the engine or
    /// the builder can't do; [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) names the
    /// value that can't be used; [`ErrorKind::ImageNotFound`](crate::ErrorKind::ImageNotFound)
    /// names a base image that does not exist, or not for the platform.
    ///
    /// # Cancel safety
    /// Dropping the future ends the build, unless another caller waits for the same one. Everything
    /// it created by then is removed, except for the builder's cache.
    pub async fn build(self) -> Result<Image> {
        super::run::build(self).await
    }

    pub(super) async fn engine(&self) -> Result<Engine> {
        match &self.engine {
            Some(engine) => Ok(engine.clone()),
            None => Engine::connect().await,
        }
    }
}

impl fmt::Debug for ImageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageBuilder")
            .field("names", &self.names)
            .field("context", &self.context)
            .field("target", &self.target)
            .field("platforms", &self.platforms)
            // Only their ids.
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Secret {
    pub(super) async fn read(&self, id: &str) -> Result<Bytes> {
        /// Limit for the bytes of a secret, the same as BuildKit's.
        const MOST: usize = 500 * 1024;
        let bytes = match self {
            Secret::Bytes(bytes) => bytes.clone(),
            Secret::File(path) => {
                tokio::fs::read(path).await.map(Bytes::from).map_err(|error| {
                    let message =
                        format!("the file of the secret `{id}`, {}, can't be read", path.display());
                    Error::new(crate::ErrorKind::Io, message).with_source(error)
                })?
            }
            Secret::Env(name) => match std::env::var_os(name) {
                Some(value) => Bytes::from(value.into_encoded_bytes()),
                None => {
                    let message = format!("`{id}`: the environment variable {name} is not set");
                    return Err(Error::invalid("secret", message));
                }
            },
        };
        if bytes.len() > MOST {
            return Err(Error::invalid("secret", format!("`{id}` is larger than 500 KiB")));
        }
        Ok(bytes)
    }
}

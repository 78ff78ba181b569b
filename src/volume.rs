//! [`Volume`]: a named volume, removed when its handle is dropped.

use std::fmt;
use std::sync::Arc;

use crate::connection::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{Guard, Kind, Lease, SHARE_LIMIT, Share, Worker, set_up_once};
use crate::spec::{VolumeSpec, spec_hash};

/// A volume, removed when this handle and all containers that mount it are gone. A clone is another handle
/// to the same volume, which stays until the last of them is gone.
///
/// ```no_run
/// # async fn run() -> castoff::Result<()> {
/// use castoff::{Container, Volume};
///
/// let data = Volume::create().await?;
/// Container::builder("busybox:1")
///     .with_volume(&data, "/data")
///     .with_command(["sh", "-c", "echo hello > /data/greeting"])
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "the volume is removed when its handle is dropped"]
pub struct Volume {
    engine: Engine,
    guard: Arc<Guard>,
    name: String,
}

impl Volume {
    /// Creates a volume with a unique name.
    ///
    /// # Errors
    /// As for [`VolumeBuilder::create`].
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the volume is removed if it was created.
    pub async fn create() -> Result<Volume> {
        Volume::builder().create().await
    }

    /// Describes a volume.
    pub fn builder() -> VolumeBuilder {
        VolumeBuilder::from_spec(VolumeSpec::default())
    }

    /// Describes a volume in memory, of at most `size` bytes if given. Unlike a tmpfs mount,
    /// several containers can share it; its content is lost when no container mounts it any more.
    pub fn tmpfs(size: Option<u64>) -> VolumeBuilder {
        VolumeBuilder::from_spec(VolumeSpec::tmpfs(size))
    }

    /// The id, which is the [name](Self::name): engines have no other for volumes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.name
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the engine that the volume is on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the volume beyond this handle and this program, and returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> String {
        self.guard.keep();
        self.name
    }

    /// Removes the volume now.
    ///
    /// # Errors
    /// Fails if the engine could not remove it, after some attempts, usually because containers
    /// mount it. Containers whose handles were dropped are removed first.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        self.guard.remove().await
    }

    /// Runs `work` once for this volume and key, however many threads and processes share it; says
    /// whether it ran here. See [`Container::init_once`](crate::Container::init_once).
    ///
    /// # Errors
    /// Those of `work`; [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// When the future is dropped, `work` counts as not done.
    pub async fn init_once<E: From<Error>>(
        &self,
        key: impl AsRef<str>,
        work: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<bool, E> {
        set_up_once(&self.guard, key.as_ref(), work).await
    }

    pub(crate) fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A description of a volume. Nothing happens before [`create`](Self::create).
#[derive(Clone, Debug)]
#[must_use = "nothing is created before `create()`"]
pub struct VolumeBuilder {
    engine: Option<Engine>,
    spec: VolumeSpec,
}

impl VolumeBuilder {
    /// Describes a volume by a plain value, such as one read from a file.
    pub fn from_spec(spec: VolumeSpec) -> Self {
        VolumeBuilder { engine: None, spec }
    }

    /// What has been described so far, as a plain value.
    #[must_use]
    pub fn spec(&self) -> &VolumeSpec {
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

    /// Sets the driver. Default: the engine's, `local`.
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

    /// Creates the volume.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] names the value that can't be used; [`ErrorKind::Conflict`] when
    /// the name is taken; else the engine's error.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the volume is removed if it was created.
    pub async fn create(self) -> Result<Volume> {
        self.spec.validate()?;
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::connect().await?,
        };
        create(&engine, &self.spec, None).await
    }

    /// Creates the volume, or joins the existing one that has exactly the same description: see
    /// [`ContainerBuilder::shared`](crate::ContainerBuilder::shared). A shared container should
    /// mount shared volumes only: others are removed with the process that created them.
    ///
    /// # Errors
    /// As for [`create`](Self::create); [`ErrorKind::Io`] when the state directory can't be used.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, the volume is removed if it was created.
    pub async fn shared(self) -> Result<Volume> {
        self.shared_as("").await
    }

    /// Shares the volume as [`shared`](Self::shared) does, with callers that name the same scope
    /// only.
    ///
    /// # Errors
    /// As for [`shared`](Self::shared).
    ///
    /// # Cancel safety
    /// As for [`shared`](Self::shared).
    pub async fn shared_as(self, scope: impl Into<String>) -> Result<Volume> {
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
                Kind::Volume,
                key.clone(),
                SHARE_LIMIT,
            )
            .await?
            {
                Share::Joined(guard, made) if engine.client().has_volume(&made.id).await? => {
                    return Ok(Volume { engine, guard: Arc::new(guard), name: made.name });
                }
                Share::Joined(guard, _) => guard.abandon().await?,
                Share::Vacant(lease) => {
                    let volume = create(&engine, &self.spec, Some(lease)).await?;
                    volume.guard.shared(&volume.name, "-")?;
                    return Ok(volume);
                }
            }
        }
    }
}

/// Creates the volume. A conflict is tried again: a volume of ours with this name may still be being
/// removed.
async fn create(engine: &Engine, spec: &VolumeSpec, lease: Option<Arc<Lease>>) -> Result<Volume> {
    let create = || create_once(engine.clone(), spec.clone(), lease.clone());
    Worker::start()?
        .create(engine.endpoint(), create, |error| error.kind() == ErrorKind::Conflict)
        .await
}

async fn create_once(
    engine: Engine,
    spec: VolumeSpec,
    lease: Option<Arc<Lease>>,
) -> Result<Volume> {
    let guard = Guard::arm(engine.client(), engine.owner(), Kind::Volume, lease.as_ref()).await?;
    let name = spec.name.clone().unwrap_or_else(|| guard.resource().to_owned());
    match engine.client().create_volume(&spec, &name, &guard.labels()).await {
        Ok(labels) if guard.owns(&labels) => {
            guard.created(&name);
            Ok(Volume { engine: engine.clone(), guard: Arc::new(guard), name })
        }
        Ok(_) => {
            // The engine returned an existing volume, which is not castoff's to remove.
            let message = format!("a volume named `{name}` exists already");
            let error = Error::new(ErrorKind::Conflict, message).with_status(409);
            guard.refused(&error);
            Err(error.at("create"))
        }
        Err(error) => {
            guard.refused(&error);
            Err(error.at("create"))
        }
    }
}

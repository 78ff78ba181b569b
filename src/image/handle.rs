//! [`Image`]: an image that castoff created.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::archive;
use super::build::BuildReport;
use super::images::after_ours;
use super::push::push;
use super::resolve;
use crate::connection::Engine;
use crate::engine::{Client, ImageDetails, ImageLayer};
use crate::error::{Error, Result};
use crate::reaper::{Guard, Kind, Trail, Worker};
use crate::spec::{ImageRef, label};

/// An image that castoff created.
///
/// If you gave it no name, it is removed with the last clone of its handle; if it was built under a
/// name, or got one by [`tag`](Self::tag), it stays. Start it by name,
/// `Container::builder(&image)`, or by [`container`](Self::container), which keeps it until the
/// container is removed.
#[derive(Clone)]
#[must_use = "an image without a name of yours is removed when its handle is dropped"]
pub struct Image {
    engine: Engine,
    /// The guard of an image without a name of the user's.
    guard: Option<Arc<Guard>>,
    id: String,
    names: Vec<ImageRef>,
    report: Arc<BuildReport>,
}

/// The name of castoff's own by which it recognizes an image that also has a name of the user's.
#[derive(Debug)]
struct OwnName {
    engine: Client,
    name: String,
}

impl Trail for OwnName {
    /// Removes the name: an image that is kept has the user's name only.
    fn keep(&self) {
        let Some(worker) = Worker::current() else { return };
        let (engine, name) = (self.engine.clone(), self.name.clone());
        // The end of the process waits for this as for a removal.
        drop(worker.remove(self.engine.endpoint(), async move {
            let untagged = engine.untag_image(&name).await;
            untagged.inspect_err(|error| tracing::debug!(%error, name, "a name stays"))
        }));
    }
}

impl Image {
    /// Creates an image of a container's file system.
    pub(crate) async fn commit(engine: &Engine, container: &str, name: &str) -> Result<Image> {
        let name = own_name(name)?;
        let (engine, container) = (engine.clone(), container.to_owned());
        let making = async move {
            let guard = Guard::arm(engine.client(), engine.owner(), Kind::Image, None).await?;
            let familiar = name.familiar();
            let mut labels = guard.labels();
            labels.push((label::on_image(label::NAME), familiar.clone()));
            // Under a name of castoff's own as well: another program may commit under the same
            // name, and without a second name, its image could not be told from this one. On Podman
            // it can't anyway, and an image with two names is harder to remove.
            let own = (!engine.client().is_podman()).then(|| guard.resource().to_owned());
            let (repository, tag) = match &own {
                Some(own) => (own.as_str(), "latest"),
                None => familiar.rsplit_once(':').unwrap_or((&familiar, "latest")),
            };
            match engine.client().commit_container(&container, repository, tag, &labels).await {
                Ok(id) => guard.created(&id),
                Err(error) => {
                    guard.refused(&error);
                    return Err(error);
                }
            }
            let id = guard.id().to_owned();
            if let Some(own) = own {
                guard.leads(Arc::new(OwnName { engine: engine.client().clone(), name: own }));
                engine.client().tag_image(&id, &name).await?;
            }
            let report = BuildReport { image: familiar, ..BuildReport::default() };
            Ok(Image::new(engine, Some(guard), id, vec![name], report))
        };
        Worker::start()?.run(making).await?
    }

    /// Creates a handle to an existing image: with a guard that removes it, or without one.
    pub(super) fn new(
        engine: Engine,
        guard: Option<Guard>,
        id: String,
        names: Vec<ImageRef>,
        report: BuildReport,
    ) -> Image {
        Image { engine, guard: guard.map(Arc::new), id, names, report: Arc::new(report) }
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name, or the first of several. An image that was built without a name has a
    /// unique one.
    #[must_use]
    pub fn name(&self) -> &ImageRef {
        // There is always one: every image is created with a name.
        &self.names[0]
    }

    /// Returns the report of the build.
    #[must_use]
    pub fn report(&self) -> &BuildReport {
        &self.report
    }

    /// Returns the total size of its layers when it was built, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.report.size
    }

    /// Asks what the engine knows of it.
    ///
    /// # Errors
    /// When the engine does not have it any more, or can't be asked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn inspect(&self) -> Result<ImageDetails> {
        self.own_client()?.image_details(&self.id).await
    }

    /// Returns the layers that it was built from, the newest first.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn history(&self) -> Result<Vec<ImageLayer>> {
        self.own_client()?.image_history(&self.id).await
    }

    /// Adds a name, `repository:tag`. The image then belongs to you, and stays when its handles are
    /// dropped; a name of castoff's own is removed.
    ///
    /// # Errors
    /// Fails for an invalid name, or if the engine refuses.
    ///
    /// # Cancel safety
    /// If the future is dropped, the image may or may not have the name; unless the call went on to
    /// keep the image, it is removed with its last handle.
    pub async fn tag(&mut self, name: impl AsRef<str>) -> Result<()> {
        let name = own_name(name.as_ref())?;
        self.own_client()?.tag_image(&self.id, &name).await?;
        if let Some(guard) = self.guard.take() {
            guard.keep();
            let own =
                self.names.iter().position(|name| name.familiar().starts_with(guard.resource()));
            if let Some(own) = own.map(|own| self.names.remove(own)) {
                self.engine.client().untag_image(&own.familiar()).await?;
            }
        }
        self.names.push(name);
        Ok(())
    }

    /// Pushes the image under a name in a registry, which is added if missing, and returns the
    /// digest in the registry. Credentials come from the docker CLI's configuration.
    ///
    /// ```no_run
    /// # async fn run(image: castoff::Image) -> castoff::Result<()> {
    /// let digest = image.push("registry.example.com/team/api:1.0.0").await?;
    /// assert!(digest.starts_with("sha256:"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) if the registry refuses;
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) if it can't be reached.
    ///
    /// # Cancel safety
    /// The push ends with the future; the registry may have received some layers by then.
    pub async fn push(&self, name: impl AsRef<str>) -> Result<String> {
        let name = own_name(name.as_ref())?;
        self.own_client()?.tag_image(&self.id, &name).await?;
        push(self.engine.client(), &name).await
    }

    /// Writes the image to a file, as an archive for [`Images::load`](super::Images::load) and
    /// `docker load`, with its names in it. The file appears when it is complete, and replaces a
    /// regular file, but no link, pipe or device.
    ///
    /// # Errors
    /// Fails if the engine or the file system does.
    ///
    /// # Cancel safety
    /// Nothing of the file is left behind if the future is dropped.
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(ImageRef::familiar).collect();
        archive::write(self.own_client()?.save_image(&names[0]), path.as_ref()).await
    }

    /// Keeps the image beyond this handle, and returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> ImageRef {
        if let Some(guard) = &self.guard {
            guard.keep();
        }
        self.name().clone()
    }

    /// Removes the image now. An image that was built without a name is removed with all the names
    /// that it got; one that was built under names loses these, and is removed if it has no other.
    ///
    /// # Errors
    /// Fails if the engine could not remove it, after some attempts, usually because containers
    /// were created from it. Containers whose handles were dropped are removed first.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        if let Some(guard) = &self.guard {
            return guard.remove().await;
        }
        for name in &self.names {
            let name = name.familiar();
            match after_ours(self.engine.client(), || self.engine.client().untag_image(&name)).await
            {
                Err(error) if error.status() != Some(404) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the engine for a call about this image; fails in a process forked from its owner.
    fn own_client(&self) -> Result<&Client> {
        if let Some(guard) = &self.guard {
            guard.check()?;
        }
        Ok(self.engine.client())
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the guard, for resources that depend on the image and must be removed first.
    pub(crate) fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }
}

/// Parses a name for an image: a reference without an id or a digest.
pub(super) fn own_name(name: &str) -> Result<ImageRef> {
    let parsed: ImageRef = name.parse()?;
    if parsed.is_id() || parsed.digest().is_some() {
        let message = format!("`{name}`: an image is made under a name and a tag");
        return Err(Error::invalid("image", message));
    }
    Ok(parsed)
}

impl From<&Image> for String {
    /// Returns the user's name; or the id, if there is none, or if a configured prefix or
    /// substitute would change the name.
    fn from(image: &Image) -> Self {
        let name = image.name();
        if image.guard.is_some() {
            // castoff's own name is gone once another handle has added one of the user's.
            return image.id.clone();
        }
        match resolve(image.engine.config(), &name.familiar(), name.clone()) {
            Ok(names) if names.used == *name => name.familiar(),
            _ => image.id.clone(),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("name", &self.name().familiar()).finish_non_exhaustive()
    }
}

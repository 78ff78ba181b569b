//! [`Image`]: one that castoff made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::archive;
use super::build::BuildReport;
use super::images::after_ours;
use super::push::push;
use super::resolve;
use crate::engine::{Engine, ImageDetails, ImageLayer};
use crate::error::{Error, Result};
use crate::reaper::{Guard, Kind, Trail, Worker};
use crate::spec::{ImageRef, label};

/// An image that castoff made.
///
/// Made without a name of the user's, it is removed with the last clone of its handle; built under
/// a name, or given one by [`tag`](Self::tag), it stays. Start it by name,
/// `Container::builder(&image)`, or by [`container`](Self::container), which keeps it until the
/// container is gone.
#[derive(Clone)]
#[must_use = "an image without a name of yours is removed when its handle is dropped"]
pub struct Image {
    engine: Engine,
    /// For one without a name of the user's.
    guard: Option<Arc<Guard>>,
    id: String,
    names: Vec<ImageRef>,
    report: Arc<BuildReport>,
}

/// The name by which an image is known for castoff's, beside that of the user's.
#[derive(Debug)]
struct OwnName {
    engine: Engine,
    name: String,
}

impl Trail for OwnName {
    /// Takes the name away: an image that is kept has the user's alone.
    fn keep(&self) {
        let Some(worker) = Worker::current() else { return };
        let (engine, name) = (self.engine.clone(), self.name.clone());
        // The end of the process waits for it as for a removal.
        drop(worker.remove(self.engine.endpoint(), async move {
            let untagged = engine.untag_image(&name).await;
            untagged.inspect_err(|error| tracing::debug!(%error, name, "a name stays"))
        }));
    }
}

impl Image {
    /// Makes an image of a container's file system.
    pub(crate) async fn commit(engine: &Engine, container: &str, name: &str) -> Result<Image> {
        let name = own_name(name)?;
        let (engine, container) = (engine.clone(), container.to_owned());
        let making = async move {
            let guard = Guard::arm(&engine, Kind::Image).await?;
            let familiar = name.familiar();
            let mut labels = guard.labels();
            labels.push((label::on_image(label::NAME), familiar.clone()));
            // Under a name of castoff's as well: another program may commit under the same name, and
            // what has neither can't be told from what others have made of it. On Podman it can't
            // either way, and an image with two names goes less easily.
            let own = (!engine.is_podman()).then(|| guard.resource().to_owned());
            let (repository, tag) = match &own {
                Some(own) => (own.as_str(), "latest"),
                None => familiar.rsplit_once(':').unwrap_or((&familiar, "latest")),
            };
            match engine.commit_container(&container, repository, tag, &labels).await {
                Ok(id) => guard.created(&id),
                Err(error) => {
                    guard.refused(&error);
                    return Err(error);
                }
            }
            let id = guard.id().to_owned();
            if let Some(own) = own {
                guard.leads(Arc::new(OwnName { engine: engine.clone(), name: own }));
                engine.tag_image(&id, &name).await?;
            }
            let report = BuildReport { image: familiar, ..BuildReport::default() };
            Ok(Image::new(engine, Some(guard), id, vec![name], report))
        };
        Worker::start()?.run(making).await?
    }

    /// One that is there: with a guard to be removed, without one to stay.
    pub(super) fn new(
        engine: Engine,
        guard: Option<Guard>,
        id: String,
        names: Vec<ImageRef>,
        report: BuildReport,
    ) -> Image {
        Image { engine, guard: guard.map(Arc::new), id, names, report: Arc::new(report) }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name, or the first of several. One that was built without a name has one that no other
    /// image has.
    #[must_use]
    pub fn name(&self) -> &ImageRef {
        // (Never without one: whoever makes an image names it.)
        &self.names[0]
    }

    /// What the build did.
    #[must_use]
    pub fn report(&self) -> &BuildReport {
        &self.report
    }

    /// Bytes of all its layers when it was built.
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
        self.own_engine()?.image_details(&self.id).await
    }

    /// What it was made of, the newest layer first.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn history(&self) -> Result<Vec<ImageLayer>> {
        self.own_engine()?.image_history(&self.id).await
    }

    /// Gives it another name, `repository:tag`. It is yours from then on, and stays when its handles
    /// go; a name that it had of castoff's own is taken away.
    ///
    /// # Errors
    /// For a name that is none, or when the engine refuses.
    ///
    /// # Cancel safety
    /// The image may or may not have the name when the future is dropped; as long as it was not told
    /// to be yours, it goes with its last handle.
    pub async fn tag(&mut self, name: impl AsRef<str>) -> Result<()> {
        let name = own_name(name.as_ref())?;
        self.own_engine()?.tag_image(&self.id, &name).await?;
        if let Some(guard) = self.guard.take() {
            guard.keep();
            let own =
                self.names.iter().position(|name| name.familiar().starts_with(guard.resource()));
            if let Some(own) = own.map(|own| self.names.remove(own)) {
                self.engine.untag_image(&own.familiar()).await?;
            }
        }
        self.names.push(name);
        Ok(())
    }

    /// Pushes it under a name in a registry, which it gets if it has it not, and returns the digest
    /// that the registry has it under. Credentials come from where the docker CLI has them.
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
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) when the registry refuses;
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) when it can't be reached.
    ///
    /// # Cancel safety
    /// The push ends with the future; the registry may have got some layers by then.
    pub async fn push(&self, name: impl AsRef<str>) -> Result<String> {
        let name = own_name(name.as_ref())?;
        self.own_engine()?.tag_image(&self.id, &name).await?;
        push(&self.engine, &name).await
    }

    /// Writes it to a file, as an archive for [`Images::load`](super::Images::load) and `docker
    /// load`, with its names in it. The file is there when it is complete, and replaces a
    /// regular file that was, but no link, pipe or device.
    ///
    /// # Errors
    /// When the engine or the file system fails.
    ///
    /// # Cancel safety
    /// Nothing is left of the file when the future is dropped.
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(ImageRef::familiar).collect();
        archive::write(self.own_engine()?.save_image(&names[0]), path.as_ref()).await
    }

    /// Lets the image live on after this handle. Returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> ImageRef {
        if let Some(guard) = &self.guard {
            guard.keep();
        }
        self.name().clone()
    }

    /// Removes it now. One that was built without a name goes with all the names that it got; of
    /// one that was built under names these go, and the image with them if it has no other.
    ///
    /// # Errors
    /// When the engine could not remove it, after some attempts: containers made of it are the
    /// usual reason. What was dropped goes first by itself.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        if let Some(guard) = &self.guard {
            return guard.remove().await;
        }
        for name in &self.names {
            let name = name.familiar();
            match after_ours(&self.engine, || self.engine.untag_image(&name)).await {
                Err(error) if error.status() != Some(404) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The engine, for a call about this image: not for a process that was forked from its own.
    fn own_engine(&self) -> Result<&Engine> {
        if let Some(guard) = &self.guard {
            guard.check()?;
        }
        Ok(&self.engine)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// For what is made of it, and has to go first.
    pub(crate) fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }
}

/// A name that an image can be given.
pub(super) fn own_name(name: &str) -> Result<ImageRef> {
    let parsed: ImageRef = name.parse()?;
    if parsed.is_id() || parsed.digest().is_some() {
        let message = format!("`{name}`: an image is made under a name and a tag");
        return Err(Error::invalid("image", message));
    }
    Ok(parsed)
}

impl From<&Image> for String {
    /// The user's name, or the id where it has none, or where a prefix or substitute that is set
    /// for images would make another name of it.
    fn from(image: &Image) -> Self {
        let name = image.name();
        if image.guard.is_some() {
            // A name of castoff's own is gone once another handle has given it one of the user's.
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

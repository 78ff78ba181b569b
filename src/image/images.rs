//! [`Images`]: the images of an engine.

use std::future::{Future, IntoFuture};
use std::path::Path;
use std::pin::Pin;

use super::handle::own_name;
use super::pull::{pull, pull_with_progress};
use super::push::push;
use super::{Names, PullProgress, archive, resolve};
use crate::engine::{Engine, ImageDetails, ImageLayer, ImageSummary};
use crate::error::{ErrorKind, Result};
use crate::reaper::Worker;
use crate::spec::{IntoPlatform, Platform};

/// The images of an engine; made by [`Engine::images`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing by itself"]
pub struct Images {
    engine: Engine,
}

impl Engine {
    /// The engine's images.
    pub fn images(&self) -> Images {
        Images { engine: self.clone() }
    }
}

impl Images {
    /// Pulls an image: await it, or ask for its [progress](Pull::progress).
    ///
    /// ```no_run
    /// # async fn run(engine: castoff::Engine) -> castoff::Result<()> {
    /// engine.images().pull("python:3.12-slim").await?;
    ///
    /// let mut progress = engine.images().pull("redis:7").progress()?;
    /// while let Some(event) = progress.next().await {
    ///     println!("{}", event?.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pull(&self, image: impl Into<String>) -> Pull {
        Pull { engine: self.engine.clone(), image: image.into(), platform: None }
    }

    /// Whether the engine has an image, under the name that would be used for it.
    ///
    /// # Errors
    /// For a reference that is none, or when the engine can't be asked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn exists(&self, image: impl AsRef<str>) -> Result<bool> {
        let asked = image.as_ref();
        let names = resolve(self.engine.config(), asked, asked.parse()?)?;
        self.engine.has_image(&names.used.familiar()).await
    }

    /// Asks what the engine knows of an image, under the name that would be used for it, or an id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it has none; as for
    /// [`exists`](Self::exists) otherwise.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn inspect(&self, image: impl AsRef<str>) -> Result<ImageDetails> {
        let asked = image.as_ref();
        let names = resolve(self.engine.config(), asked, asked.parse()?)?;
        self.engine.image_details(&names.used.familiar()).await
    }

    /// What an image was made of, the newest layer first.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn history(&self, image: impl AsRef<str>) -> Result<Vec<ImageLayer>> {
        let asked = image.as_ref();
        let names = resolve(self.engine.config(), asked, asked.parse()?)?;
        self.engine.image_history(&names.used.familiar()).await
    }

    /// Gives an image another name, `repository:tag`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such image.
    ///
    /// # Cancel safety
    /// The image may or may not have the name when the future is dropped.
    pub async fn tag(&self, image: impl AsRef<str>, name: impl AsRef<str>) -> Result<()> {
        self.engine.tag_image(image.as_ref(), &own_name(name.as_ref())?).await
    }

    /// Pushes an image that the engine has under a name in a registry, and returns the digest that the
    /// registry has it under. Credentials come from where the docker CLI has them.
    ///
    /// # Errors
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) when the registry refuses.
    ///
    /// # Cancel safety
    /// The push ends with the future; the registry may have got some layers by then.
    pub async fn push(&self, name: impl AsRef<str>) -> Result<String> {
        push(&self.engine, &own_name(name.as_ref())?).await
    }

    /// Writes an image to a file, as an archive for [`load`](Self::load). The file is there when it is
    /// complete, and replaces a
    /// regular file that was, but no link, pipe or device.
    ///
    /// # Errors
    /// When the engine or the file system fails.
    ///
    /// # Cancel safety
    /// Nothing is left of the file when the future is dropped.
    pub async fn save(&self, image: impl AsRef<str>, path: impl AsRef<Path>) -> Result<()> {
        archive::write(self.engine.save_image(image.as_ref()), path.as_ref()).await
    }

    /// Loads the images of an archive that [`save`](Self::save) or `docker save` made; it may be
    /// compressed. Returns their names, or ids for those without one. They are yours: nothing removes
    /// them.
    ///
    /// # Errors
    /// When the file can't be read, or the engine can't make sense of it.
    ///
    /// # Cancel safety
    /// The engine may have loaded some of them when the future is dropped.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        self.engine.load_images(archive::read(path.as_ref()).await?).await
    }

    /// Makes an image of one layer from a tar archive of a file system, with changes in the form of
    /// Dockerfile instructions, such as `CMD ["/server"]`. Returns its id. It is yours: nothing removes
    /// it.
    ///
    /// # Errors
    /// When the file can't be read, or the engine can't make sense of it or of a change.
    ///
    /// # Cancel safety
    /// The engine may have made the image when the future is dropped.
    pub async fn import(
        &self,
        name: impl AsRef<str>,
        path: impl AsRef<Path>,
        changes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<String> {
        let name = own_name(name.as_ref())?;
        let changes: Vec<String> = changes.into_iter().map(Into::into).collect();
        self.engine.import_image(&name, archive::read(path.as_ref()).await?, &changes).await
    }

    /// The images whose names match a pattern such as `team/app` (with any tag) or `team/*:1.*`;
    /// for an empty one, all.
    ///
    /// # Errors
    /// When the engine can't be asked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn list(&self, pattern: impl AsRef<str>) -> Result<Vec<ImageSummary>> {
        self.engine.list_images(Some(pattern.as_ref()).filter(|pattern| !pattern.is_empty())).await
    }

    /// Removes an image by its name or id, as it is given: prefix and substitutes don't count.
    /// Under an id it goes with all its names; under one of several names, that name goes alone.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) while there is a container of it, running or
    /// not: then it keeps its names. A name among several goes all the same if all its containers
    /// were created under others. Containers that castoff is about to remove are waited for.
    ///
    /// # Cancel safety
    /// The removal may go on when the future is dropped.
    pub async fn remove(&self, image: impl AsRef<str>) -> Result<()> {
        let image = image.as_ref();
        after_ours(&self.engine, || self.engine.remove_unused_image(image)).await
    }
}

/// Removes an image, and once more when containers of ours that were on their way out kept it.
pub(super) async fn after_ours<F>(engine: &Engine, remove: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    // Asked beforehand: what is in the way may be gone by the time the engine has refused.
    let busy = || Worker::current().filter(|worker| worker.is_busy(engine.endpoint()));
    let before = busy();
    match remove().await {
        Err(error) if error.kind() == ErrorKind::Conflict => match before.or_else(busy) {
            Some(worker) => {
                worker.settled(engine.endpoint()).await;
                remove().await
            }
            None => Err(error),
        },
        outcome => outcome,
    }
}

/// A pull; made by [`Images::pull`].
///
/// However many ask for the same image at the same time, it is pulled once. Credentials come
/// from where the docker CLI has them. What may pass (a registry that is busy or can't be
/// reached) is tried again for about five seconds. Dropping the future does not stop the pull.
#[derive(Clone, Debug)]
#[must_use = "nothing is pulled before it is awaited"]
pub struct Pull {
    engine: Engine,
    image: String,
    platform: Option<Result<Platform>>,
}

impl Pull {
    /// The platform, such as `linux/arm64`. Default: the engine's.
    pub fn with_platform(mut self, platform: impl IntoPlatform) -> Self {
        self.platform = Some(platform.into_platform());
        self
    }

    /// Starts the pull and tells what happens.
    ///
    /// # Errors
    /// For a reference or platform that is none. The pull's own failure comes from the stream.
    pub fn progress(self) -> Result<PullProgress> {
        let (names, platform) = self.names()?;
        pull_with_progress(&self.engine, names, platform.as_deref())
    }

    fn names(&self) -> Result<(Names, Option<String>)> {
        let names = resolve(self.engine.config(), &self.image, self.image.parse()?)?;
        let platform = self.platform.clone().transpose()?;
        Ok((names, platform.map(|platform| platform.to_string())))
    }
}

impl IntoFuture for Pull {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (names, platform) = self.names()?;
            pull(&self.engine, &names, platform.as_deref()).await
        })
    }
}

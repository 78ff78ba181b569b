//! [`Images`]: the images of an engine.

use std::future::{Future, IntoFuture};
use std::path::Path;
use std::pin::Pin;

use super::handle::own_name;
use super::pull::{pull, pull_with_progress};
use super::push::push;
use super::{Names, PullProgress, archive, resolve};
use crate::engine::{Client, ImageDetails, ImageLayer, ImageSummary};
use crate::error::{ErrorKind, Result};
use crate::reaper::Worker;
use crate::spec::{IntoPlatform, Platform};

/// The images of an engine; made by [`Engine::images`](crate::Engine::images).
#[derive(Clone, Debug)]
#[must_use = "it does nothing by itself"]
pub struct Images {
    engine: Client,
}

impl Images {
    pub(crate) fn new(engine: Client) -> Images {
        Images { engine }
    }

    /// Pulls an image: await it, or take its [progress](Pull::progress).
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

    /// Returns whether the engine has an image, after prefix and substitutes were applied to its
    /// name.
    ///
    /// # Errors
    /// Fails for an invalid reference, or if the engine can't be asked.
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

    /// Returns the layers that an image was built from, the newest first.
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

    /// Adds a name to an image, `repository:tag`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the engine has no such image.
    ///
    /// # Cancel safety
    /// If the future is dropped, the image may or may not have the name.
    pub async fn tag(&self, image: impl AsRef<str>, name: impl AsRef<str>) -> Result<()> {
        self.engine.tag_image(image.as_ref(), &own_name(name.as_ref())?).await
    }

    /// Pushes an image of the engine under a name in a registry, and returns the digest in the
    /// registry. Credentials come from the docker CLI's configuration.
    ///
    /// # Errors
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) if the registry refuses.
    ///
    /// # Cancel safety
    /// The push ends with the future; the registry may have received some layers by then.
    pub async fn push(&self, name: impl AsRef<str>) -> Result<String> {
        push(&self.engine, &own_name(name.as_ref())?).await
    }

    /// Writes an image to a file, as an archive for [`load`](Self::load). The file appears when it
    /// is complete, and replaces a regular file, but no link, pipe or device.
    ///
    /// # Errors
    /// Fails if the engine or the file system does.
    ///
    /// # Cancel safety
    /// Nothing of the file is left behind if the future is dropped.
    pub async fn save(&self, image: impl AsRef<str>, path: impl AsRef<Path>) -> Result<()> {
        archive::write(self.engine.save_image(image.as_ref()), path.as_ref()).await
    }

    /// Loads the images of an archive from [`save`](Self::save) or `docker save`, which may be
    /// compressed. Returns their names, or ids for those without one. castoff does not remove these
    /// images.
    ///
    /// # Errors
    /// Fails if the file can't be read, or the engine rejects it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the engine may have loaded some of them.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        self.engine.load_images(archive::read(path.as_ref()).await?).await
    }

    /// Creates an image of one layer from a tar archive of a file system, with changes in the form
    /// of Dockerfile instructions, such as `CMD ["/server"]`. Returns its id. castoff does not
    /// remove this image.
    ///
    /// # Errors
    /// Fails if the file can't be read, or the engine rejects it or a change.
    ///
    /// # Cancel safety
    /// If the future is dropped, the engine may have created the image.
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

    /// Returns the images whose names match a pattern such as `team/app` (with any tag) or
    /// `team/*:1.*`; all for an empty pattern.
    ///
    /// # Errors
    /// Fails if the engine can't be asked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn list(&self, pattern: impl AsRef<str>) -> Result<Vec<ImageSummary>> {
        self.engine.list_images(Some(pattern.as_ref()).filter(|pattern| !pattern.is_empty())).await
    }

    /// Removes an image by its id, with all its names, or by a name: if it has several, only that
    /// name is removed. Prefix and substitutes are not applied.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if a container of it exists, running or
    /// not: then it keeps its names. One of several names is removed nevertheless if all containers
    /// were created under others. Containers that castoff is removing are waited for.
    ///
    /// # Cancel safety
    /// The removal may go on if the future is dropped.
    pub async fn remove(&self, image: impl AsRef<str>) -> Result<()> {
        let image = image.as_ref();
        after_ours(&self.engine, || self.engine.remove_unused_image(image)).await
    }
}

/// Removes an image, and retries after a conflict if containers of castoff's are being removed.
pub(super) async fn after_ours<F>(engine: &Client, remove: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    // Checked beforehand: the conflicting resource may be gone when the engine's refusal arrives.
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

/// A pull of an image; made by [`Images::pull`].
///
/// Concurrent pulls of the same image are combined into one. Credentials come from the docker CLI's
/// configuration. Transient failures (a busy or unreachable registry) are retried for about five
/// seconds. Dropping the future does not stop the pull.
#[derive(Clone, Debug)]
#[must_use = "nothing is pulled before it is awaited"]
pub struct Pull {
    engine: Client,
    image: String,
    platform: Option<Result<Platform>>,
}

impl Pull {
    /// Sets the platform, such as `linux/arm64`. Default: the engine's.
    pub fn with_platform(mut self, platform: impl IntoPlatform) -> Self {
        self.platform = Some(platform.into_platform());
        self
    }

    /// Starts the pull and returns a stream of its progress.
    ///
    /// # Errors
    /// Fails for an invalid reference or platform. A failure of the pull itself comes from the
    /// stream.
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

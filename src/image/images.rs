//! [`Images`]: the images of an engine.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::pull::{pull, pull_with_progress};
use super::{Names, PullProgress, resolve};
use crate::engine::{Engine, ImageSummary};
use crate::error::Result;
use crate::spec::Platform;

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

    /// What the engine has under a name, the one that would be used for it, or an id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it has none; as for
    /// [`exists`](Self::exists) otherwise.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn inspect(&self, image: impl AsRef<str>) -> Result<ImageSummary> {
        let asked = image.as_ref();
        let names = resolve(self.engine.config(), asked, asked.parse()?)?;
        self.engine.inspect_image(&names.used.familiar()).await
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
    /// Under an id it goes with all its names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) while a container of it runs.
    ///
    /// # Cancel safety
    /// The removal may go on when the future is dropped.
    pub async fn remove(&self, image: impl AsRef<str>) -> Result<()> {
        self.engine.remove_image(image.as_ref()).await
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
    platform: Option<String>,
}

impl Pull {
    /// The platform, such as `linux/arm64`. Default: the engine's.
    pub fn with_platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
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
        let platform = self.platform.as_deref().map(str::parse::<Platform>).transpose()?;
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

//! [`Image`]: one that castoff made, removed when it is dropped.

use std::fmt;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::reaper::{Guard, Kind, Worker};
use crate::spec::ImageRef;

/// An image that castoff made, removed when this handle is dropped.
///
/// Give it to a builder by name: `Container::builder(&image)`.
#[must_use = "the image is removed when its handle is dropped"]
pub struct Image {
    guard: Arc<Guard>,
    name: ImageRef,
}

impl Image {
    /// Makes an image of a container's file system.
    pub(crate) async fn commit(engine: &Engine, container: &str, name: &str) -> Result<Image> {
        let name: ImageRef = name.parse()?;
        if name.is_id() || name.digest().is_some() {
            let message = format!("`{name}`: an image is made under a name and a tag");
            return Err(Error::invalid("image", message));
        }
        let (engine, container) = (engine.clone(), container.to_owned());
        let making = async move {
            let guard = Guard::arm(&engine, Kind::Image).await?;
            let familiar = name.familiar();
            let (repository, tag) = familiar.rsplit_once(':').unwrap_or((&familiar, "latest"));
            match engine.commit_container(&container, repository, tag, &guard.labels()).await {
                Ok(id) => guard.created(&id),
                Err(error) => {
                    guard.refused(&error);
                    return Err(error);
                }
            }
            Ok(Image { guard: Arc::new(guard), name })
        };
        Worker::start()?.run(making).await?
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.guard.id()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &ImageRef {
        &self.name
    }

    /// Lets the image live on after this handle. Returns its name.
    #[expect(clippy::must_use_candidate, reason = "mostly called for its effect")]
    pub fn keep(self) -> ImageRef {
        self.guard.keep();
        self.name
    }

    /// Removes it now, with all its names.
    ///
    /// # Errors
    /// When the engine could not remove it, after some attempts: containers made of it are the
    /// usual reason. What was dropped goes first by itself.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub async fn remove(self) -> Result<()> {
        self.guard.remove().await
    }
}

impl From<&Image> for String {
    fn from(image: &Image) -> Self {
        image.name.familiar()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("name", &self.name.familiar()).finish_non_exhaustive()
    }
}

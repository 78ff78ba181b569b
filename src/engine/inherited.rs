//! What a container has from its image, and not from who made it.

use super::Engine;
use super::failure::lift;
use crate::error::{ErrorKind, Result};

impl Engine {
    /// Whether a container has this label with this value from its image: then whoever made the
    /// container has not said so.
    pub(crate) async fn label_is_inherited(
        &self,
        id: &str,
        key: &str,
        value: &str,
    ) -> Result<bool> {
        let container = self.docker().inspect_container(id, None).await;
        let image = container.map_err(lift("inspect the container"))?.image.unwrap_or_default();
        match self.image_details(&image).await {
            Ok(image) => Ok(image.labels.get(key).is_some_and(|own| own == value)),
            // Taken away under it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

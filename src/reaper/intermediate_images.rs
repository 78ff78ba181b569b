//! [`IntermediateImages`]: the images between the steps of a classic build, and their removal.

use std::sync::Arc;

use super::first_sweep;
use super::owner::Owner;
use crate::engine::{Client, StepImage};

/// The intermediate images of a build: if this process ends before this is dropped, the guardian
/// removes those that no other image is based on.
#[derive(Debug)]
pub(crate) struct IntermediateImages {
    owner: Arc<Owner>,
    build: u32,
}

impl IntermediateImages {
    /// Arms the guardian for a build that begins.
    pub(crate) async fn watch(engine: &Client, owner: Arc<Owner>) -> IntermediateImages {
        first_sweep::ensure_guardian(&owner, engine).await;
        owner.owns_one_more();
        let build = owner.begin_build();
        IntermediateImages { owner, build }
    }

    /// Returns whether this belongs to a process that the current one was forked from.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.owner.process().is_current()
    }

    /// Notes an image that a step has made.
    pub(crate) fn made(&self, image: &StepImage) {
        let parent = image.parent.as_deref().unwrap_or_default();
        self.owner.note_image(self.build, &format!("{}:{parent}", image.id));
    }
}

impl Drop for IntermediateImages {
    fn drop(&mut self) {
        self.owner.end_build(self.build);
        self.owner.owns_one_less();
    }
}

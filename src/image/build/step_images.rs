//! The intermediate images that the classic builder creates for each step. Those of a build that
//! ends early are removed at once; those of an image with a guard after it, if the engine has left
//! any; those of an image with a name of the user's stay, as its cache.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::context::pack;
use crate::connection::Engine;
use crate::engine::{BuildRequest, Built, Client, OnEvent, StepImage};
use crate::error::{Error, ErrorKind, Result};
use crate::reaper::{self, Guard, Trail, Worker};
use crate::spec::label;

/// Pauses, in milliseconds, while the step's container is being removed.
const PAUSES: [u64; 7] = [100, 200, 500, 1_000, 2_000, 4_000, 8_000];

/// Pause between the attempts after those.
const LONG_PAUSE: Duration = Duration::from_secs(20);

/// Builds by the classic builder: with a guard, an image that is removed with it; without one, an
/// image that stays. `registries` are those of the base images.
///
/// # Cancel safety
/// Dropping the future ends the build; the images of its steps are removed.
pub(super) async fn build(
    engine: &Engine,
    request: &BuildRequest,
    guard: Option<&Guard>,
    registries: &[String],
    on_event: &OnEvent,
) -> Result<Built> {
    Worker::start()?;
    let (name, archive) = pack(request.context.tree.clone(), request.dockerfile.clone()).await?;
    let watched =
        Arc::new(reaper::IntermediateImages::watch(engine.client(), engine.owner()).await);
    let engine = engine.client();
    let session = label::on_image(label::SESSION);
    let step_images = StepImages {
        engine: engine.clone(),
        images: Arc::default(),
        label: request.step_labels.iter().find(|(key, _)| *key == session).cloned(),
        watched: watched.clone(),
    };
    let images = step_images.images.clone();
    let before = before(engine).await;
    let built = engine
        .build_classic(request, &name, archive, registries, on_event, &move |image: StepImage| {
            // A step can print output like the builder's, with the id of an unrelated image.
            let made =
                before.as_ref().is_some_and(|ids| !ids.iter().any(|id| id.starts_with(&image.id)));
            if made {
                watched.made(&image);
                images.lock().unwrap_or_else(PoisonError::into_inner).push(image);
            }
        })
        .await;
    match (&built, guard) {
        // An engine removes the layers with their image, unless other images share them.
        (Ok(_), Some(guard)) => guard.leads(Arc::new(step_images)),
        // These are its layers, and those of other stages its cache, as long as the image exists.
        (Ok(_), None) => step_images.keep(),
        (Err(_), _) => {}
    }
    built
}

/// Returns the images that exist before a build, which none of its steps created. `None` if the
/// engine can't list them; then none is removed.
async fn before(engine: &Client) -> Option<HashSet<String>> {
    let listed = engine.image_ids().await;
    listed
        .map_err(
            |error| tracing::warn!(%error, "should the build end early, images of its steps stay"),
        )
        .ok()
}

/// The intermediate images of a build so far; removed when dropped.
#[derive(Debug)]
struct StepImages {
    engine: Client,
    images: Arc<Mutex<Vec<StepImage>>>,
    /// The label of these images, from builders that label them.
    label: Option<(String, String)>,
    /// The record by which the guardian removes them if this process can't.
    watched: Arc<reaper::IntermediateImages>,
}

impl Trail for StepImages {
    fn keep(&self) {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for StepImages {
    fn drop(&mut self) {
        if self.watched.is_inherited() {
            return;
        }
        let images =
            std::mem::take(&mut *self.images.lock().unwrap_or_else(PoisonError::into_inner));
        let (false, Some(worker)) = (images.is_empty(), Worker::current()) else { return };
        let (engine, label) = (self.engine.clone(), self.label.take());
        let watched = self.watched.clone();
        drop(worker.remove(self.engine.endpoint(), async move {
            let left = remove_all(&engine, images, label.as_ref()).await;
            if !left.is_empty() {
                // In the background, as nobody waits for these.
                worker.submit(persist(engine, left, label, watched));
            }
            Ok(())
        }));
    }
}

/// Removes the images once their step has ended and no other image depends on them; returns those
/// that are still in use.
async fn remove_all(
    engine: &Client,
    mut images: Vec<StepImage>,
    label: Option<&(String, String)>,
) -> Vec<StepImage> {
    for pause in PAUSES {
        images = remove_unused(engine, images, label).await;
        if images.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    images
}

/// Goes on as long as this process lives: on Podman a running step goes on to its end after its
/// build was given up, and another build may have reused the first steps of this one.
async fn persist(
    engine: Client,
    mut images: Vec<StepImage>,
    label: Option<(String, String)>,
    watched: Arc<reaper::IntermediateImages>,
) {
    while !images.is_empty() {
        tokio::time::sleep(LONG_PAUSE).await;
        images = remove_unused(&engine, images, label.as_ref()).await;
    }
    drop(watched);
}

/// Removes the unused images and returns the others. Each is the parent of the next, and an image
/// that something depends on is not removed.
async fn remove_unused(
    engine: &Client,
    images: Vec<StepImage>,
    label: Option<&(String, String)>,
) -> Vec<StepImage> {
    let mut left = Vec::new();
    for image in images.into_iter().rev() {
        match engine.remove_step_image(&image, label).await {
            Ok(()) => {}
            Err(error) if may_pass(&error) => left.push(image),
            Err(error) => tracing::debug!(image.id, %error, "an image of a step stays"),
        }
    }
    left.reverse();
    left
}

/// Returns whether a later attempt may succeed: the image is in use now, or the engine failed.
fn may_pass(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict || error.status().is_none_or(|status| status >= 500)
}

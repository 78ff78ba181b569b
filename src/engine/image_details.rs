//! [`ImageDetails`]: the result of inspecting an image, and its history.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bollard::models::{ImageHistoryResponseItem, ImageInspect};

use super::Client;
use super::details::{env_pairs, exposed};
use super::failure::lift;
use super::timestamp::system_time;
use super::wording::{Meaning, says};
use crate::error::{Error, Result};
use crate::spec::{ImageRef, Platform, Port};

/// The result of inspecting an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageDetails {
    /// The id: the digest of its configuration or, with a containerd store, of its manifest.
    pub id: String,
    /// Its names with tags.
    pub names: Vec<String>,
    /// Its names with digests, if it was pulled from a registry or pushed to one.
    pub digests: Vec<String>,
    /// When it was made, if the engine knows.
    pub created: Option<SystemTime>,
    /// The size of all its layers, in bytes; with a containerd store, it includes compressed ones.
    pub size: u64,
    /// Its platform.
    pub platform: Option<Platform>,
    /// The digests of its layers' content, the lowest first.
    pub layers: Vec<String>,
    /// Environment variables, by name.
    pub env: BTreeMap<String, String>,
    /// The entrypoint of its containers.
    pub entrypoint: Vec<String>,
    /// The command of its containers, or the arguments of their entrypoint.
    pub cmd: Vec<String>,
    /// The user; empty for root.
    pub user: String,
    /// The working directory; empty for `/`.
    pub working_dir: String,
    /// Ports that are exposed, in order.
    pub exposed_ports: Vec<Port>,
    /// Directories that become volumes.
    pub volumes: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The signal that `docker stop` sends.
    pub stop_signal: Option<String>,
}

/// A layer, or an instruction that created none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageLayer {
    /// The instruction.
    pub created_by: String,
    /// The size in bytes.
    pub size: u64,
    /// When it was made, if the builder noted it.
    pub created: Option<SystemTime>,
    /// The builder's comment.
    pub comment: String,
}

impl Client {
    /// Inspects an image.
    pub(crate) async fn image_details(&self, name: &str) -> Result<ImageDetails> {
        steady(|| async {
            let image = self.docker().inspect_image(name).await;
            Ok(read(image.map_err(lift("inspect the image"))?))
        })
        .await
    }

    /// Returns the history of an image, the newest layer first.
    pub(crate) async fn image_history(&self, name: &str) -> Result<Vec<ImageLayer>> {
        let history = self.docker().image_history(name).await;
        let history = history.map_err(lift("ask for the image's history"))?;
        Ok(history.into_iter().map(layer).collect())
    }
}

/// Retries a call that failed because another image was removed meanwhile: Podman inspects all
/// images, and fails with status 500 for one that has just gone, as a containerd store does with
/// status 404.
pub(super) async fn steady<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for pause in [10, 20, 50, 100, 200] {
        match ask().await {
            Err(error) if is_of_another(&error) => {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            outcome => return outcome,
        }
    }
    ask().await
}

fn is_of_another(error: &Error) -> bool {
    matches!(error.status(), Some(404 | 500)) && says(&error.to_string(), Meaning::OtherImageGone)
}

/// Returns names in Docker's short form. Podman writes those of Docker Hub in full.
pub(super) fn familiar(names: Vec<String>) -> Vec<String> {
    let short = |name: String| match name.parse::<ImageRef>() {
        Ok(image) if !image.is_id() => image.familiar(),
        _ => name,
    };
    names.into_iter().map(short).collect()
}

fn read(image: ImageInspect) -> ImageDetails {
    let config = image.config.unwrap_or_default();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let platform = text(image.os).zip(text(image.architecture)).map(|(os, architecture)| {
        let platform = Platform::new(os, architecture);
        match text(image.variant) {
            Some(variant) => platform.with_variant(variant),
            None => platform,
        }
    });
    ImageDetails {
        id: image.id.unwrap_or_default(),
        names: familiar(image.repo_tags.unwrap_or_default()),
        digests: image.repo_digests.unwrap_or_default(),
        created: image.created.and_then(|date| system_time(&date.to_string())),
        size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        platform,
        layers: image.root_fs.and_then(|root| root.layers).unwrap_or_default(),
        env: env_pairs(config.env.unwrap_or_default()),
        entrypoint: config.entrypoint.unwrap_or_default(),
        cmd: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        exposed_ports: exposed(config.exposed_ports.unwrap_or_default()),
        volumes: config.volumes.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        stop_signal: text(config.stop_signal),
    }
}

fn layer(item: ImageHistoryResponseItem) -> ImageLayer {
    ImageLayer {
        created_by: item.created_by,
        size: u64::try_from(item.size).unwrap_or_default(),
        created: u64::try_from(item.created)
            .ok()
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
        comment: item.comment,
    }
}

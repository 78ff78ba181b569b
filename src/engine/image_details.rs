//! [`ImageDetails`]: what is known of an image; its layers' history.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bollard::models::{ImageHistoryResponseItem, ImageInspect};

use super::Engine;
use super::details::{env_pairs, exposed};
use super::failure::lift;
use super::timestamp::system_time;
use super::wording::{Meaning, says};
use crate::error::{Error, Result};
use crate::spec::{ImageRef, Platform, Port};

/// What is known of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageDetails {
    /// The id: the digest of its configuration or, with a containerd store, of its manifest.
    pub id: String,
    /// Its names with tags.
    pub names: Vec<String>,
    /// Its names with digests, for those that came from a registry or went to one.
    pub digests: Vec<String>,
    /// When it was made, if the engine knows.
    pub created: Option<SystemTime>,
    /// Bytes of all its layers; with a containerd store, compressed ones count as well.
    pub size: u64,
    /// The platform that it is for.
    pub platform: Option<Platform>,
    /// The digests of its layers' content, the lowest first.
    pub layers: Vec<String>,
    /// Environment variables, by name.
    pub env: BTreeMap<String, String>,
    /// What a container runs.
    pub entrypoint: Vec<String>,
    /// What a container runs, or what its entrypoint is given.
    pub cmd: Vec<String>,
    /// The user; empty for root.
    pub user: String,
    /// The working directory; empty for `/`.
    pub working_dir: String,
    /// Ports that are exposed, in order.
    pub exposed_ports: Vec<Port>,
    /// Directories that become volumes.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What `docker stop` sends.
    pub stop_signal: Option<String>,
}

/// A layer, or an instruction that made none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageLayer {
    /// The instruction.
    pub created_by: String,
    /// Bytes.
    pub size: u64,
    /// When it was made, if the builder noted it.
    pub created: Option<SystemTime>,
    /// What the builder notes.
    pub comment: String,
}

impl Engine {
    /// All that the engine knows of an image.
    pub(crate) async fn image_details(&self, name: &str) -> Result<ImageDetails> {
        steady(|| async {
            let image = self.docker().inspect_image(name).await;
            Ok(read(image.map_err(lift("inspect the image"))?))
        })
        .await
    }

    /// What an image was made of, the newest first.
    pub(crate) async fn image_history(&self, name: &str) -> Result<Vec<ImageLayer>> {
        let history = self.docker().image_history(name).await;
        let history = history.map_err(lift("ask for the image's history"))?;
        Ok(history.into_iter().map(layer).collect())
    }
}

/// Asks again where another image, which went at that moment, was in the way: Podman looks at all of
/// them, and fails with status 500 over one that it no longer finds, as a containerd store does with
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

/// Names as Docker says them: Podman says those of Docker Hub in full.
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

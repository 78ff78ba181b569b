//! Images: pulls and look-ups.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder};
use futures_core::Stream;
use futures_util::StreamExt;

use super::Client;
use super::auth::Login;
use super::details::exposed;
use super::failure::{convert, lift};
use super::image_details::{familiar, steady};
use super::list::Labelled;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ImageRef, Port};

/// Progress of a pull, as the engine reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullEvent {
    /// The short id of the layer; `None` for the image as a whole.
    pub layer: Option<String>,
    /// The engine's status: `Downloading`, `Extracting`, `Pull complete` and so on.
    pub status: String,
    /// The number of bytes done in this step.
    pub current: Option<u64>,
    /// The number of bytes in this step.
    pub total: Option<u64>,
}

/// An image that an engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageSummary {
    /// The id, `sha256:` and 64 hexadecimal digits.
    pub id: String,
    /// Its names with tags, such as `redis:7`; empty for a dangling one.
    pub names: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The size of all its layers, in bytes.
    pub size: u64,
}

impl Client {
    /// Pulls an image. The stream ends with the pull; an error in it is the pull's failure.
    pub(crate) fn pull_image(
        &self,
        image: &ImageRef,
        platform: Option<&str>,
        login: Option<Login>,
    ) -> Pin<Box<dyn Stream<Item = Result<PullEvent>> + Send>> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let tag = image.digest().map_or_else(|| image.tag_or_latest().to_owned(), str::to_owned);
        let mut options = CreateImageOptionsBuilder::new().from_image(&name).tag(&tag);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let events =
            self.patient().create_image(Some(options.build()), None, login.map(Login::into_header));
        Box::pin(events.map(|event| match event {
            Ok(event) => read_event(event),
            Err(error) => Err(convert("pull the image", error)),
        }))
    }

    /// Returns whether the engine has the image.
    pub(crate) async fn has_image(&self, name: &str) -> Result<bool> {
        match self.docker().inspect_image(name).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let error = convert("look for the image", error);
                if error.status() == Some(404) { Ok(false) } else { Err(error) }
            }
        }
    }

    /// The ports that an image exposes.
    pub(crate) async fn exposed_ports(&self, name: &str) -> Result<Vec<Port>> {
        let image = self.docker().inspect_image(name).await.map_err(lift("inspect the image"))?;
        Ok(exposed(image.config.and_then(|config| config.exposed_ports).unwrap_or_default()))
    }

    /// What the engine has under a name or id.
    pub(super) async fn image_summary(&self, name: &str) -> Result<ImageSummary> {
        let image = self.docker().inspect_image(name).await.map_err(lift("inspect the image"))?;
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(ImageSummary {
            id: image.id.unwrap_or_default(),
            names: familiar(image.repo_tags.unwrap_or_default()),
            labels: labels.into_iter().collect(),
            size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        })
    }

    /// Lists images whose names match a pattern; by default all but unnamed ones that others build
    /// on.
    pub(crate) async fn list_images(&self, reference: Option<&str>) -> Result<Vec<ImageSummary>> {
        let filters: HashMap<String, Vec<String>> = reference
            .map(|pattern| ("reference".to_owned(), vec![pattern.to_owned()]))
            .into_iter()
            .collect();
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let listed = steady(|| async {
            self.docker().list_images(Some(options.clone())).await.map_err(lift("list images"))
        });
        let listed = listed.await?;
        let summary = |image: bollard::models::ImageSummary| ImageSummary {
            id: image.id,
            names: familiar(
                image.repo_tags.into_iter().filter(|name| name != "<none>:<none>").collect(),
            ),
            labels: image.labels.into_iter().collect(),
            size: u64::try_from(image.size).unwrap_or_default(),
        };
        Ok(listed.into_iter().map(summary).collect())
    }

    /// Lists the images with a label, given as `key` or `key=value`.
    pub(crate) async fn images_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListImagesOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = steady(|| async {
            self.docker().list_images(Some(options.clone())).await.map_err(lift("list images"))
        });
        let listed = listed.await?;
        let labelled = listed.into_iter().map(|image| {
            let named = image.repo_tags.into_iter().filter(|name| name != "<none>:<none>");
            let names = familiar(named.collect());
            Labelled { names, ..Labelled::new(image.id, image.labels) }
        });
        Ok(labelled.collect())
    }
}

fn read_event(event: CreateImageInfo) -> Result<PullEvent> {
    let progress = event.progress_detail.unwrap_or_default();
    let known = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
    match (event.status, event.id) {
        // An answer with neither is `{"error": ..}` without the detail that Docker adds.
        (None, None) => Err(Error::new(
            ErrorKind::Pull,
            "failed to pull the image: the engine reported an error without saying which",
        )),
        (status, layer) => Ok(PullEvent {
            layer,
            status: status.unwrap_or_default(),
            current: known(progress.current),
            total: known(progress.total).filter(|total| *total > 0),
        }),
    }
}

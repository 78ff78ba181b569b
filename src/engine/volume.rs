//! [`Volumes`]: the calls and the list.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::Client;
use super::container::some_map;
use super::failure::{convert, lift};
use super::list::Labelled;
use crate::error::Result;
use crate::spec::VolumeSpec;

/// The volumes of an engine; made by [`Engine::volumes`](crate::Engine::volumes).
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `list()`"]
pub struct Volumes {
    engine: Client,
    labels: Vec<String>,
}

/// A volume as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeSummary {
    /// The name, which is also the id.
    pub name: String,
    /// The driver, such as `local`.
    pub driver: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Volumes {
    /// Only those with this label, given as `key` or `key=value`. Several must all match.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Asks the engine.
    ///
    /// # Errors
    /// When the engine can't be reached or refuses.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn list(self) -> Result<Vec<VolumeSummary>> {
        let summary = |volume: Volume| VolumeSummary {
            name: volume.name,
            driver: volume.driver,
            labels: volume.labels.into_iter().collect(),
        };
        Ok(self.engine.volumes_with(self.labels).await?.into_iter().map(summary).collect())
    }
}

impl IntoFuture for Volumes {
    type Output = Result<Vec<VolumeSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.list())
    }
}

impl Client {
    /// The engine's volumes, castoff's own and all others.
    pub(crate) fn volumes(&self) -> Volumes {
        Volumes { engine: self.clone(), labels: Vec::new() }
    }

    /// Creates a volume and returns its labels. If the volume exists, the engine returns the
    /// existing one, so the labels show its owner.
    pub(crate) async fn create_volume(
        &self,
        spec: &VolumeSpec,
        name: &str,
        labels: &[(String, String)],
    ) -> Result<BTreeMap<String, String>> {
        let own = spec.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: spec.driver.clone(),
            driver_opts: some_map(spec.options.iter().map(|(k, v)| (k.clone(), v.clone()))),
            labels: some_map(own.chain(labels.iter().cloned())),
            ..VolumeCreateRequest::default()
        };
        let made = self.docker().create_volume(request).await;
        made.map(|made| made.labels.into_iter().collect()).map_err(lift("create the volume"))
    }

    pub(crate) async fn remove_volume(&self, name: &str) -> Result<()> {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        self.docker().remove_volume(name, Some(options)).await.map_err(lift("remove the volume"))
    }

    /// Lists the volumes with a label, given as `key` or `key=value`.
    pub(crate) async fn volumes_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let volumes = self.volumes_with(vec![label.to_owned()]).await?.into_iter();
        Ok(volumes.map(|volume| Labelled::new(volume.name, volume.labels)).collect())
    }

    async fn volumes_with(&self, labels: Vec<String>) -> Result<Vec<Volume>> {
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed = self.docker().list_volumes(Some(options)).await;
        Ok(listed.map_err(lift("list volumes"))?.volumes.unwrap_or_default())
    }

    /// Returns whether the volume exists.
    pub(crate) async fn has_volume(&self, id: &str) -> Result<bool> {
        match self.docker().inspect_volume(id).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let error = convert("look for the volume", error);
                if error.status() == Some(404) { Ok(false) } else { Err(error) }
            }
        }
    }
}

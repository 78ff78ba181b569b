//! Volumes: the calls.

use std::collections::{BTreeMap, HashMap};

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::Engine;
use super::container::some_map;
use super::failure::{convert, lift};
use super::list::Labelled;
use crate::error::Result;
use crate::spec::VolumeSpec;

impl Engine {
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
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed =
            self.docker().list_volumes(Some(options)).await.map_err(lift("list volumes"))?;
        let volumes = listed.volumes.unwrap_or_default().into_iter();
        Ok(volumes.map(|volume| Labelled::new(volume.name, volume.labels)).collect())
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

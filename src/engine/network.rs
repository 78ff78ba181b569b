//! Networks: lowering and calls.

use std::collections::HashMap;

use bollard::models::{
    Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::Engine;
use super::container::{endpoint_settings, some_list, some_map};
use super::failure::{convert, lift};
use super::list::Labelled;
use crate::error::Result;
use crate::spec::{Attachment, NetworkSpec};

/// From a checked spec to what is sent.
pub(crate) fn lower_network(
    spec: &NetworkSpec,
    name: &str,
    labels: &[(String, String)],
) -> NetworkCreateRequest {
    let own = spec.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
    let subnets = spec.subnets.iter().map(|subnet| IpamConfig {
        subnet: Some(subnet.cidr.clone()),
        gateway: subnet.gateway.map(|gateway| gateway.to_string()),
        ..IpamConfig::default()
    });
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: spec.driver.clone(),
        internal: spec.internal.then_some(true),
        attachable: spec.attachable.then_some(true),
        enable_ipv6: spec.ipv6.then_some(true),
        ipam: some_list(subnets).map(|config| Ipam { config: Some(config), ..Ipam::default() }),
        options: some_map(spec.options.iter().map(|(k, v)| (k.clone(), v.clone()))),
        labels: some_map(own.chain(labels.iter().cloned())),
        ..NetworkCreateRequest::default()
    }
}

impl Engine {
    /// Creates a network and returns its id.
    pub(crate) async fn create_network(
        &self,
        spec: &NetworkSpec,
        name: &str,
        labels: &[(String, String)],
    ) -> Result<String> {
        let request = lower_network(spec, name, labels);
        let made = self.docker().create_network(request).await;
        made.map(|made| made.id).map_err(lift("create the network"))
    }

    pub(crate) async fn remove_network(&self, id: &str) -> Result<()> {
        self.docker().remove_network(id).await.map_err(lift("remove the network"))
    }

    pub(crate) async fn connect_network(&self, container: &str, to: &Attachment) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint_settings(to)),
        };
        self.docker()
            .connect_network(&to.network, request)
            .await
            .map_err(lift("connect the container to the network"))
    }

    pub(crate) async fn disconnect_network(&self, container: &str, network: &str) -> Result<()> {
        let request =
            NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        self.docker()
            .disconnect_network(network, request)
            .await
            .map_err(lift("disconnect the container from the network"))
    }

    /// Ids of the networks of exactly this name; engines before API 1.44 allow several.
    pub(crate) async fn networks_named(&self, name: &str) -> Result<Vec<String>> {
        let listed = self.networks_by("name", name).await?.into_iter();
        let same = listed.filter(|network| network.name.as_deref() == Some(name));
        Ok(same.filter_map(|network| network.id).collect())
    }

    /// The networks with this label, as `key` or `key=value`.
    pub(crate) async fn networks_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let read =
            |network: Network| Some(Labelled::new(network.id?, network.labels.unwrap_or_default()));
        Ok(self.networks_by("label", label).await?.into_iter().filter_map(read).collect())
    }

    async fn networks_by(&self, filter: &str, value: &str) -> Result<Vec<Network>> {
        let filters = HashMap::from([(filter.to_owned(), vec![value.to_owned()])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        self.docker().list_networks(Some(options)).await.map_err(lift("list networks"))
    }

    /// Whether the network is there.
    pub(crate) async fn has_network(&self, id: &str) -> Result<bool> {
        match self.docker().inspect_network(id, None).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let error = convert("look for the network", error);
                if error.status() == Some(404) { Ok(false) } else { Err(error) }
            }
        }
    }
}

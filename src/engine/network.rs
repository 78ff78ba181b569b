//! [`Networks`]: lowering, calls and the list.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, IntoFuture};
use std::net::Ipv4Addr;
use std::pin::Pin;

use bollard::models::{
    Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::Client;
use super::container::{endpoint_settings, some_list, some_map};
use super::failure::{convert, lift};
use super::list::Labelled;
use crate::error::{Error, Result};
use crate::spec::{Attachment, NetworkSpec};

/// Translates a checked spec into a request.
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

/// The address of a network's gateway on the engine's machine, and the network's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BridgeAddress {
    pub(crate) gateway: Ipv4Addr,
    base: Ipv4Addr,
    bits: u32,
}

impl BridgeAddress {
    /// Reads a range such as `172.17.0.0/16`. The default gateway is its first address.
    fn read(subnet: &str, gateway: Option<&str>) -> Option<Self> {
        let (base, bits) = subnet.split_once('/')?;
        let base: Ipv4Addr = base.parse().ok()?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let first = Ipv4Addr::from(u32::from(base).wrapping_add(1));
        let gateway = match gateway.filter(|text| !text.is_empty()) {
            Some(text) => text.split('/').next()?.parse().ok()?,
            None => first,
        };
        Some(BridgeAddress { gateway, base, bits })
    }

    /// Returns whether the network's range contains an address.
    pub(crate) fn holds(&self, ip: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or_default();
        u32::from(ip) & mask == u32::from(self.base) & mask
    }
}

/// The networks of an engine; made by [`Engine::networks`](crate::Engine::networks).
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `list()`"]
pub struct Networks {
    engine: Client,
    labels: Vec<String>,
}

/// A network as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkSummary {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The driver, such as `bridge`.
    pub driver: String,
    /// Whether its containers are cut off from the outside.
    pub internal: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Networks {
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
    pub async fn list(self) -> Result<Vec<NetworkSummary>> {
        let listed = self.engine.networks_by("label", &self.labels).await?;
        Ok(listed.into_iter().map(NetworkSummary::read).collect())
    }
}

impl IntoFuture for Networks {
    type Output = Result<Vec<NetworkSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.list())
    }
}

impl NetworkSummary {
    fn read(network: Network) -> Self {
        NetworkSummary {
            id: network.id.unwrap_or_default(),
            name: network.name.unwrap_or_default(),
            driver: network.driver.unwrap_or_default(),
            internal: network.internal.unwrap_or_default(),
            labels: network.labels.unwrap_or_default().into_iter().collect(),
        }
    }
}

impl Client {
    /// The engine's networks, castoff's own and all others.
    pub(crate) fn networks(&self) -> Networks {
        Networks { engine: self.clone(), labels: Vec::new() }
    }

    /// Returns the address of a network's gateway; `None` if it has none by IPv4.
    pub(crate) async fn bridge_address(&self, network: &str) -> Result<Option<BridgeAddress>> {
        let found = self.docker().inspect_network(network, None).await;
        let found = found.map_err(lift("inspect the network"))?;
        if found.internal == Some(true) {
            return Ok(None);
        }
        let ranges = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Ok(ranges.iter().find_map(|range| {
            BridgeAddress::read(range.subnet.as_deref()?, range.gateway.as_deref())
        }))
    }

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

    /// Adds to an engine's refusal to remove a network a hint at the containers in it, or at the
    /// engine's own mistake.
    pub(crate) async fn explain_used_network(&self, id: &str, refused: Error) -> Error {
        if refused.status() != Some(403) {
            return refused;
        }
        let Ok(found) = self.docker().inspect_network(id, None).await else { return refused };
        let inside = found.containers.unwrap_or_default();
        let names = inside.into_iter().map(|(id, one)| one.name.unwrap_or(id));
        refused.with_hint(why_network_stays(names.collect()))
    }

    /// Connects a container to a network, with its name there.
    pub(crate) async fn connect_network(
        &self,
        container: &str,
        name: &str,
        to: &Attachment,
    ) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint_settings(to, name)),
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

    /// Returns the ids of the networks with exactly this name; engines before API 1.44 allow
    /// several.
    pub(crate) async fn networks_named(&self, name: &str) -> Result<Vec<String>> {
        let listed = self.networks_by("name", &[name.to_owned()]).await?.into_iter();
        let same = listed.filter(|network| network.name.as_deref() == Some(name));
        Ok(same.filter_map(|network| network.id).collect())
    }

    /// Lists the networks with a label, given as `key` or `key=value`.
    pub(crate) async fn networks_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let read =
            |network: Network| Some(Labelled::new(network.id?, network.labels.unwrap_or_default()));
        let listed = self.networks_by("label", &[label.to_owned()]).await?;
        Ok(listed.into_iter().filter_map(read).collect())
    }

    async fn networks_by(&self, filter: &str, values: &[String]) -> Result<Vec<Network>> {
        let filters = HashMap::from([(filter.to_owned(), values.to_vec())]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        self.docker().list_networks(Some(options)).await.map_err(lift("list networks"))
    }

    /// Returns whether the network exists.
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

/// Returns a hint for a network that the engine refuses to remove because of active endpoints.
///
/// Docker 20.10 may count one endpoint too many when a container is removed while it starts. Such a
/// network lists no container and stays until the engine's next start, whose log then says "Fixing
/// inconsistent endpoint_cnt".
fn why_network_stays(mut containers: Vec<String>) -> String {
    if containers.is_empty() {
        let miscounted = "the engine lists no container in it, so it has miscounted; restart the \
                          engine, which then counts anew";
        return miscounted.to_owned();
    }
    containers.sort();
    format!("remove or disconnect the containers in it: {}", containers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_network_names_its_containers_or_the_engines_mistake() {
        let hint = why_network_stays(["b", "a"].map(str::to_owned).to_vec());
        assert!(hint.ends_with(": a, b"), "{hint}");
        assert!(why_network_stays(vec![]).contains("restart"));
    }

    #[test]
    fn a_bridge_knows_its_own_addresses() {
        let bridge = BridgeAddress::read("172.18.0.0/16", None).unwrap();
        assert_eq!(bridge.gateway, Ipv4Addr::new(172, 18, 0, 1));
        assert!(bridge.holds(Ipv4Addr::new(172, 18, 255, 9)));
        assert!(!bridge.holds(Ipv4Addr::new(172, 17, 0, 2)));
        let own = BridgeAddress::read("10.1.0.0/24", Some("10.1.0.254")).unwrap();
        assert_eq!(own.gateway, Ipv4Addr::new(10, 1, 0, 254));
        assert_eq!(BridgeAddress::read("fd00::/64", None), None);
    }
}

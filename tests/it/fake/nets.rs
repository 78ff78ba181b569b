//! Networks and volumes.

use serde_json::{Map, Value, json};

use super::http::{Request, Response, fault};
use super::routes::{Reply, not_found};
use super::state::{Attachment, Container, Network, State, Volume};
use super::values::{labels, labels_match, rfc3339};

pub(super) fn networks(state: &mut State, request: &Request, parts: &[&str]) -> Reply {
    match (request.method.as_str(), parts) {
        ("GET", [] | [""]) => list_networks(state, request),
        ("POST", ["create"]) => create_network(state, request),
        ("POST", ["prune"]) => prune_networks(state, request),
        ("GET", [name]) => {
            let network = find(state, name)?;
            Ok(Response::json(200, &network_json(state, &network)))
        }
        ("DELETE", [name]) => delete_network(state, name),
        ("POST", [name, "connect"]) => connect(state, request, name),
        ("POST", [name, "disconnect"]) => disconnect(state, request, name),
        _ => Err(not_found()),
    }
}

pub(super) fn predefined(state: &mut State) {
    for name in ["bridge", "host", "none"] {
        let (id, created) = (state.new_id(), state.now());
        let prefix = if name == "bridge" { "198.18.0" } else { "" }.to_owned();
        let spec = json!({ "Driver": if name == "none" { "null" } else { name } });
        let network =
            Network { id, name: name.into(), created, spec, prefix, ..Network::default() };
        state.networks.push(Network { predefined: true, ..network });
    }
}

fn find(state: &State, name: &str) -> Result<Network, super::http::Fault> {
    if let Some(network) = state.networks.iter().find(|n| n.id == name) {
        return Ok(network.clone());
    }
    let named: Vec<_> = state.networks.iter().filter(|n| n.name == name).collect();
    match named[..] {
        [network] => Ok(network.clone()),
        [] => {
            let prefix = |n: &&Network| name.len() >= 12 && n.id.starts_with(name);
            let network = state.networks.iter().find(prefix).cloned();
            network.ok_or_else(|| fault(404, format!("network {name} not found")))
        }
        _ => {
            let n = named.len();
            Err(fault(400, format!("network {name} is ambiguous ({n} matches found on name)")))
        }
    }
}

fn attached<'a>(
    state: &'a State,
    network: &'a Network,
) -> impl Iterator<Item = (&'a Container, &'a Attachment)> {
    let running = state.containers.iter().filter(|c| c.is_running());
    running.filter_map(|c| {
        let fits = |a: &&Attachment| a.network == network.id || a.network == network.name;
        c.networks.iter().find(fits).map(|a| (c, a))
    })
}

fn network_json(state: &State, network: &Network) -> Value {
    let mut containers = Map::new();
    for (c, a) in attached(state, network) {
        let ip = format!("{}/16", a.ip);
        let entry = json!({ "Name": c.name, "EndpointID": c.id, "IPv4Address": ip,
            "IPv6Address": "", "MacAddress": "02:42:ac:11:00:02" });
        containers.insert(c.id.clone(), entry);
    }
    let gateway = format!("{}.1", network.prefix);
    let flag = |key: &str| network.spec[key].as_bool().unwrap_or(false);
    json!({
        "Name": network.name, "Id": network.id, "Created": rfc3339(network.created),
        "Scope": "local", "Driver": network.spec["Driver"].as_str().unwrap_or("bridge"),
        "EnableIPv6": flag("EnableIPv6"), "Internal": flag("Internal"),
        "Attachable": flag("Attachable"), "Ingress": false, "ConfigOnly": false,
        "ConfigFrom": { "Network": "" },
        "IPAM": { "Driver": "default", "Options": {},
            "Config": [{ "Subnet": network.subnet, "Gateway": gateway }] },
        "Containers": containers, "Labels": network.labels,
        "Options": network.spec["Options"].as_object().cloned().unwrap_or_default(),
    })
}

fn list_networks(state: &State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let fits = |n: &&Network| {
        let any = |key: &str, test: &dyn Fn(&str) -> bool| {
            filters.get(key).is_none_or(|wanted| wanted.iter().any(|w| test(w)))
        };
        labels_match(&n.labels, filters.get("label"))
            && any("name", &|w| n.name.contains(w))
            && any("id", &|w| n.id.starts_with(w))
            && any("type", &|w| (w == "builtin") == n.predefined)
    };
    let list: Vec<_> = state.networks.iter().filter(fits).map(|n| network_json(state, n)).collect();
    Ok(Response::json(200, &json!(list)))
}

fn create_network(state: &mut State, request: &Request) -> Reply {
    let spec = &request.body;
    let name = spec["Name"].as_str().unwrap_or("").to_owned();
    if name.is_empty() {
        return Err(fault(400, "invalid name:  is invalid, Network name must be non-empty"));
    }
    let unique = spec["CheckDuplicate"].as_bool().unwrap_or(false) || state.api_at_least(44);
    if state.networks.iter().any(|n| n.name == name && (unique || n.predefined)) {
        return Err(fault(409, format!("network with name {name} already exists")));
    }
    let asked = spec["IPAM"]["Config"][0]["Subnet"].as_str().unwrap_or("").to_owned();
    if !asked.is_empty() && state.networks.iter().any(|n| n.subnet == asked) {
        return Err(fault(403, "Pool overlaps with other one on this address space"));
    }
    let taken = |p: &str| state.networks.iter().any(|n| n.prefix == p);
    let free = (18..=255).map(|n| format!("198.18.{n}")).find(|p| !taken(p));
    let given = asked.rsplit_once('.').map(|(prefix, _)| prefix.to_owned());
    let prefix = given.or(free).unwrap_or_default();
    let subnet = if asked.is_empty() { format!("{prefix}.0/16") } else { asked };
    let (id, created, labels) = (state.new_id(), state.now(), labels(&spec["Labels"]));
    let attributes = [("name".to_owned(), name.clone())].into();
    state.emit("network", "create", &id, attributes);
    let answer = json!({ "Id": id, "Warning": "" });
    let network = Network { id, name, labels, created, subnet, prefix, ..Network::default() };
    state.networks.push(Network { spec: spec.clone(), ..network });
    Ok(Response::json(201, &answer))
}

fn delete_network(state: &mut State, name: &str) -> Reply {
    let network = find(state, name)?;
    let Network { id, name, .. } = &network;
    if network.predefined {
        let text = format!("{name} is a pre-defined network and cannot be removed");
        return Err(fault(403, text));
    }
    if attached(state, &network).next().is_some() {
        let text =
            format!("error while removing network: network {name} id {id} has active endpoints");
        return Err(fault(403, text));
    }
    state.networks.retain(|n| n.id != *id);
    state.emit("network", "destroy", id, [("name".to_owned(), name.clone())].into());
    Ok(Response::empty(204))
}

fn prune_networks(state: &mut State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let mut gone = Vec::new();
    for network in state.networks.clone() {
        let used = attached(state, &network).next().is_some();
        let fits = labels_match(&network.labels, filters.get("label"));
        if !network.predefined && !used && fits {
            state.networks.retain(|n| n.id != network.id);
            gone.push(network.name);
        }
    }
    Ok(Response::json(200, &json!({ "NetworksDeleted": gone })))
}

/// Returns the next address in a network.
pub(super) fn next_ip(state: &mut State, network: &str) -> String {
    let found = state.networks.iter_mut().find(|n| n.id == network || n.name == network);
    found.map_or_else(String::new, |n| {
        n.next_ip += 1;
        format!("{}.{}", n.prefix, n.next_ip % 250 + 1)
    })
}

fn connect(state: &mut State, request: &Request, name: &str) -> Reply {
    let network = find(state, name)?;
    let who = request.body["Container"].as_str().unwrap_or("");
    let missing = || fault(404, format!("No such container: {who}"));
    let container = state.container(who).ok_or_else(missing)?;
    let (id, running) = (container.id.clone(), container.is_running());
    if container.networks.iter().any(|a| a.network == network.id || a.network == network.name) {
        let text = format!(
            "endpoint with name {} already exists in network {}",
            container.name, network.name
        );
        return Err(fault(403, text));
    }
    let ip = if running { next_ip(state, &network.id) } else { String::new() };
    let config = request.body["EndpointConfig"].clone();
    if let Some(container) = state.container_mut(&id) {
        container.networks.push(Attachment { network: network.name.clone(), config, ip });
    }
    let attributes = [("container".to_owned(), id), ("name".to_owned(), network.name)];
    state.emit("network", "connect", &network.id, attributes.into());
    Ok(Response::empty(200))
}

fn disconnect(state: &mut State, request: &Request, name: &str) -> Reply {
    let network = find(state, name)?;
    let who = request.body["Container"].as_str().unwrap_or("");
    let missing = || fault(404, format!("No such container: {who}"));
    let container = state.container_mut(who).ok_or_else(missing)?;
    let before = container.networks.len();
    container.networks.retain(|a| a.network != network.id && a.network != network.name);
    if container.networks.len() == before {
        let text =
            format!("container {} is not connected to network {}", container.id, network.name);
        return Err(fault(403, text));
    }
    let attributes =
        [("container".to_owned(), container.id.clone()), ("name".to_owned(), network.name)];
    state.emit("network", "disconnect", &network.id, attributes.into());
    Ok(Response::empty(200))
}

pub(super) fn volumes(state: &mut State, request: &Request, parts: &[&str]) -> Reply {
    match (request.method.as_str(), parts) {
        ("GET", [] | [""]) => list_volumes(state, request),
        ("POST", ["create"]) => {
            let id = state.new_id();
            let name = request.body["Name"].as_str().filter(|n| !n.is_empty()).unwrap_or(&id);
            let volume = ensure_volume(state, name, &request.body);
            Ok(Response::json(201, &volume_json(&volume)))
        }
        ("POST", ["prune"]) => prune_volumes(state, request),
        ("GET", [name]) => {
            let missing = || fault(404, format!("get {name}: no such volume"));
            state.volume(name).map(|v| Response::json(200, &volume_json(v))).ok_or_else(missing)
        }
        ("DELETE", [name]) => delete_volume(state, request, name),
        _ => Err(not_found()),
    }
}

/// Returns the volume with this name, created if needed.
pub(super) fn ensure_volume(state: &mut State, name: &str, spec: &Value) -> Volume {
    if let Some(volume) = state.volume(name) {
        return volume.clone();
    }
    let created = state.now();
    let labels = labels(&spec["Labels"]);
    let volume = Volume { name: name.to_owned(), labels, spec: spec.clone(), created };
    state.volumes.push(volume.clone());
    state.emit("volume", "create", name, [("driver".to_owned(), "local".to_owned())].into());
    volume
}

fn volume_json(volume: &Volume) -> Value {
    json!({
        "Name": volume.name, "Driver": volume.spec["Driver"].as_str().unwrap_or("local"),
        "Mountpoint": format!("/var/lib/docker/volumes/{}/_data", volume.name),
        "CreatedAt": rfc3339(volume.created), "Labels": volume.labels, "Scope": "local",
        "Options": volume.spec["DriverOpts"].as_object().cloned().unwrap_or_default(),
    })
}

fn volume_users(state: &State, name: &str) -> Vec<String> {
    let uses = |c: &&Container| c.volumes.iter().any(|m| m.volume == name);
    state.containers.iter().filter(uses).map(|c| c.id.clone()).collect()
}

fn list_volumes(state: &State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let fits = |v: &&Volume| {
        let any = |key: &str, test: &dyn Fn(&str) -> bool| {
            filters.get(key).is_none_or(|wanted| wanted.iter().any(|w| test(w)))
        };
        labels_match(&v.labels, filters.get("label"))
            && any("name", &|w| v.name.contains(w))
            && any("dangling", &|w| (w == "true") == volume_users(state, &v.name).is_empty())
    };
    let list: Vec<_> = state.volumes.iter().filter(fits).map(volume_json).collect();
    Ok(Response::json(200, &json!({ "Volumes": list, "Warnings": null })))
}

fn delete_volume(state: &mut State, request: &Request, name: &str) -> Reply {
    if state.volume(name).is_none() {
        if request.flag("force") {
            return Ok(Response::empty(204));
        }
        return Err(fault(404, format!("get {name}: no such volume")));
    }
    let users = volume_users(state, name);
    if !users.is_empty() {
        let text = format!("remove {name}: volume is in use - [{}]", users.join(", "));
        return Err(fault(409, text));
    }
    state.volumes.retain(|v| v.name != name);
    state.emit("volume", "destroy", name, [("driver".to_owned(), "local".to_owned())].into());
    Ok(Response::empty(204))
}

fn prune_volumes(state: &mut State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let all = !state.api_at_least(42)
        || filters.get("all").is_some_and(|all| all.iter().any(|v| v == "true" || v == "1"));
    let mut gone = Vec::new();
    for volume in state.volumes.clone() {
        let anonymous = volume.name.len() == 64;
        let fits = labels_match(&volume.labels, filters.get("label")) && (all || anonymous);
        if fits && volume_users(state, &volume.name).is_empty() {
            state.volumes.retain(|v| v.name != volume.name);
            gone.push(volume.name);
        }
    }
    Ok(Response::json(200, &json!({ "VolumesDeleted": gone, "SpaceReclaimed": 0 })))
}

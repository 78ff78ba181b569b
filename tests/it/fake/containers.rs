//! Containers: creation, lists, removal, and the routing of their other requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::archive;
use super::http::{Fault, Request, Response, fault};
use super::inspect::{container_json, summary_json};
use super::lifecycle;
use super::nets::ensure_volume;
use super::routes::{Answer, Reply, not_found};
use super::state::{Attachment, Container, Mounted, Shared, State};
use super::stream::Feed;
use super::values::{labels, labels_match, merge};

pub(super) fn route(shared: &Arc<Shared>, request: &Request, parts: &[&str]) -> Answer {
    match (request.method.as_str(), parts) {
        ("POST", [_, "start" | "restart"]) => lifecycle::start(shared, parts).into(),
        ("GET", [id, "logs"]) => shared.read(|s| Feed::logs(s, request, id)).into(),
        ("POST", [id, "attach"]) => shared.read(|s| Feed::attach(s, request, id)).into(),
        ("POST", [id, "wait"]) => shared.read(|s| Feed::wait(s, request, id)).into(),
        _ => shared.update(|state| full(state, request, parts)).into(),
    }
}

fn full(state: &mut State, request: &Request, parts: &[&str]) -> Reply {
    match (request.method.as_str(), parts) {
        ("POST", ["create"]) => create(state, request),
        ("POST", ["prune"]) => prune(state, request),
        ("GET", ["json"]) => list(state, request),
        ("GET", [id, "json"]) => inspect(state, id),
        ("DELETE", [id]) => delete(state, request, id),
        ("POST", [id, "exec"]) => super::exec::create(state, request, id),
        ("PUT", [id, "archive"]) => archive::put(state, request, id),
        ("GET" | "HEAD", [id, "archive"]) => archive::get(state, request, id),
        ("POST", [id, "rename"]) => rename(state, request, id),
        ("POST", [id, action]) => lifecycle::act(state, request, id, action),
        _ => Err(not_found()),
    }
}

/// Returns the full id of the container with a name or id.
pub(super) fn find(state: &State, name: &str) -> Result<String, Fault> {
    let missing = || fault(404, format!("No such container: {name}"));
    state.container(name).map(|c| c.id.clone()).ok_or_else(missing)
}

fn inspect(state: &mut State, id: &str) -> Reply {
    let id = find(state, id)?;
    let Some(container) = state.container_mut(&id) else { return Err(not_found()) };
    let hidden = container.hidden_ports > 0 && container.is_running();
    container.hidden_ports -= usize::from(hidden);
    let container = container.clone();
    Ok(Response::json(200, &container_json(state, &container, hidden)))
}

fn check_name(state: &State, name: &str) -> Result<(), Fault> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.len() < 2 || !name.chars().all(legal) || name.starts_with(['_', '.', '-']) {
        let text =
            format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        return Err(fault(400, text));
    }
    let Some(other) = state.containers.iter().find(|c| c.name == name) else { return Ok(()) };
    let text = format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You \
         have to remove (or rename) that container to be able to reuse that name.",
        other.id
    );
    Err(fault(409, text))
}

fn create(state: &mut State, request: &Request) -> Reply {
    let spec = &request.body;
    if !spec.is_object() {
        return Err(fault(400, "Config cannot be empty in order to create a container"));
    }
    let wanted = spec["Image"].as_str().unwrap_or("").to_owned();
    let missing = || fault(404, format!("No such image: {}", with_tag(&wanted)));
    let image = state.image(&wanted).cloned().ok_or_else(missing)?;
    let id = state.new_id();
    let asked = request.get("name").trim_start_matches('/');
    let name = if asked.is_empty() { format!("fake_{}", &id[..12]) } else { asked.to_owned() };
    check_name(state, &name)?;
    let host = spec["HostConfig"].clone();
    let mode = host["NetworkMode"].as_str().unwrap_or("");
    if let Some(other) = mode.strip_prefix("container:") {
        find(state, other)?;
    }
    let networks = endpoints(state, spec, mode)?;
    let config = config(spec, &image.config);
    let volumes = volumes(state, &host, &config);
    let container = Container {
        id: id.clone(),
        name,
        image: wanted,
        labels: labels(&config["Labels"]),
        state: "created".into(),
        spec: spec.clone(),
        platform: request.get("platform").to_owned(),
        networks,
        volumes,
        image_id: image.id,
        config,
        host,
        created: state.now(),
        ..Container::default()
    };
    state.containers.push(container);
    state.emit_container(&id, "create", &[]);
    Ok(Response::json(201, &json!({ "Id": id, "Warnings": [] })))
}

fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

/// Returns the container's configuration: its own over the image's.
fn config(spec: &Value, image: &Value) -> Value {
    let mut config = image.clone();
    merge(&mut config, spec);
    for key in ["Labels", "ExposedPorts", "Volumes"] {
        let mut both = json!({});
        merge(&mut both, &image[key]);
        merge(&mut both, &spec[key]);
        config[key] = both;
    }
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let mut env = list(&spec["Env"]);
    let key = |v: &Value| v.as_str().and_then(|t| t.split('=').next()).map(String::from);
    for inherited in list(&image["Env"]) {
        if !env.iter().any(|own| key(own) == key(&inherited)) {
            env.push(inherited);
        }
    }
    config["Env"] = json!(env);
    if let Some(config) = config.as_object_mut() {
        config.remove("HostConfig");
        config.remove("NetworkingConfig");
    }
    config
}

fn endpoints(state: &State, spec: &Value, mode: &str) -> Result<Vec<Attachment>, Fault> {
    let given = spec["NetworkingConfig"]["EndpointsConfig"].as_object();
    let mut all: BTreeMap<String, Value> =
        given.into_iter().flatten().map(|(name, config)| (name.clone(), config.clone())).collect();
    if all.len() > 1 && !state.api_at_least(44) {
        let names: Vec<_> = all.keys().cloned().collect();
        let text =
            format!("Container cannot be connected to network endpoints: {}", names.join(", "));
        return Err(fault(400, text));
    }
    let own = !matches!(mode, "host" | "none") && !mode.starts_with("container:");
    let main = if matches!(mode, "" | "default") { "bridge" } else { mode };
    if own && (all.is_empty() || !matches!(mode, "" | "default")) {
        all.entry(main.to_owned()).or_insert(Value::Null);
    }
    let attach = |(network, config)| Attachment { network, config, ip: String::new() };
    Ok(all.into_iter().map(attach).collect())
}

fn volumes(state: &mut State, host: &Value, config: &Value) -> Vec<Mounted> {
    let mut mounted = Vec::new();
    for bind in host["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some((source, rest)) = bind.split_once(':')
            && !source.starts_with(['/', '.', '~'])
        {
            let target = rest.split(':').next().unwrap_or(rest).to_owned();
            mounted.push((source.to_owned(), target, json!({})));
        }
    }
    for mount in host["Mounts"].as_array().into_iter().flatten() {
        if mount["Type"] == "volume" {
            let text = |key: &str| mount[key].as_str().unwrap_or("").to_owned();
            let spec = json!({ "Labels": mount["VolumeOptions"]["Labels"] });
            mounted.push((text("Source"), text("Target"), spec));
        }
    }
    for target in config["Volumes"].as_object().into_iter().flatten().map(|(k, _)| k) {
        let tmpfs = host["Tmpfs"].get(target).is_some();
        if !tmpfs && !mounted.iter().any(|(_, t, _)| t == target) {
            mounted.push((String::new(), target.clone(), json!({})));
        }
    }
    let mut ensure = |(name, target, spec): (String, String, Value)| {
        let anonymous = name.is_empty();
        let volume = if anonymous { state.new_id() } else { name };
        ensure_volume(state, &volume, &spec);
        Mounted { volume, target, anonymous }
    };
    mounted.into_iter().map(&mut ensure).collect()
}

fn matches(c: &Container, filters: &BTreeMap<String, Vec<String>>) -> bool {
    let any = |key: &str, test: &dyn Fn(&str) -> bool| {
        filters.get(key).is_none_or(|wanted| wanted.iter().any(|w| test(w)))
    };
    labels_match(&c.labels, filters.get("label"))
        && any("name", &|w| name_matches(&c.name, w))
        && any("id", &|w| c.id.starts_with(w))
        && any("status", &|w| c.state == w)
        && any("ancestor", &|w| with_tag(&c.image) == with_tag(w) || c.image_id == w)
        && any("network", &|w| c.networks.iter().any(|a| a.network == w))
        && any("volume", &|w| c.volumes.iter().any(|m| m.volume == w || m.target == w))
        && any("health", &|w| c.health.as_deref().unwrap_or("none") == w)
}

/// Returns whether a name matches. Docker matches a pattern anywhere in it; only anchors are
/// supported.
fn name_matches(name: &str, pattern: &str) -> bool {
    let start = pattern.strip_prefix('^');
    let rest = start.unwrap_or(pattern);
    let end = rest.strip_suffix('$');
    let text = end.unwrap_or(rest);
    let text = text.strip_prefix('/').unwrap_or(text);
    match (start, end) {
        (Some(_), Some(_)) => name == text,
        (Some(_), None) => name.starts_with(text),
        (None, Some(_)) => name.ends_with(text),
        (None, None) => name.contains(text),
    }
}

fn list(state: &State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let all = request.flag("all") || filters.contains_key("status");
    let fits = |c: &&Container| (all || c.is_running()) && matches(c, &filters);
    let found = state.containers.iter().rev().filter(fits);
    let limit = request.get("limit").parse::<usize>().ok().filter(|n| *n > 0);
    let list: Vec<_> =
        found.take(limit.unwrap_or(usize::MAX)).map(|c| summary_json(state, c)).collect();
    Ok(Response::json(200, &json!(list)))
}

fn delete(state: &mut State, request: &Request, id: &str) -> Reply {
    let id = find(state, id)?;
    let running = state.container(&id).is_some_and(Container::is_running);
    if running && !request.flag("force") {
        let text = format!(
            "You cannot remove a running container {id}. Stop the container before attempting \
             removal or force remove"
        );
        return Err(fault(409, text));
    }
    if running {
        state.emit_container(&id, "kill", &[("signal", "9".into())]);
        state.exit(&id, 137, false);
    }
    state.remove(&id, request.flag("v"));
    Ok(Response::empty(204))
}

fn prune(state: &mut State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let fits = |c: &&Container| !c.is_running() && labels_match(&c.labels, filters.get("label"));
    let gone: Vec<String> = state.containers.iter().filter(fits).map(|c| c.id.clone()).collect();
    for id in &gone {
        state.remove(id, false);
    }
    Ok(Response::json(200, &json!({ "ContainersDeleted": gone, "SpaceReclaimed": 0 })))
}

fn rename(state: &mut State, request: &Request, id: &str) -> Reply {
    let id = find(state, id)?;
    let name = request.get("name").to_owned();
    check_name(state, &name)?;
    if let Some(container) = state.container_mut(&id) {
        container.name = name;
    }
    Ok(Response::empty(204))
}

//! The inspect of containers.

use serde_json::{Map, Value, json};

use super::state::{Container, State};
use super::values::rfc3339;

pub(super) fn container_json(state: &State, c: &Container, hide_ports: bool) -> Value {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let mut command = list(&c.config["Entrypoint"]);
    command.extend(list(&c.config["Cmd"]));
    let mut host = json!({ "NetworkMode": "default", "AutoRemove": false, "PortBindings": {} });
    super::values::merge(&mut host, &c.host);
    let mut config = json!({ "Hostname": &c.id[..12], "Tty": false, "User": "" });
    super::values::merge(&mut config, &c.config);
    let log_path = format!("/var/lib/docker/containers/{0}/{0}-json.log", c.id);
    json!({
        "Id": c.id, "Created": rfc3339(c.created), "Name": format!("/{}", c.name),
        "Path": command.first(), "Args": command.get(1..), "Image": c.image_id,
        "State": state_json(c), "LogPath": log_path, "RestartCount": 0, "Driver": "overlay2",
        "Platform": "linux", "Config": config, "HostConfig": host, "Mounts": mounts_json(c),
        "NetworkSettings": {
            "Ports": if hide_ports { json!({}) } else { ports_json(c) },
            "Networks": networks_json(state, c),
            "IPAddress": c.networks.iter().find(|a| a.network == "bridge").map(|a| &a.ip),
        },
    })
}

fn state_json(c: &Container) -> Value {
    let mut json = json!({
        "Status": c.state, "Running": c.is_running(), "Paused": c.state == "paused",
        "Restarting": false, "OOMKilled": c.oom, "Dead": false,
        "Pid": if c.is_running() { 4242 } else { 0 }, "ExitCode": c.exit_code, "Error": "",
        "StartedAt": rfc3339(c.started), "FinishedAt": rfc3339(c.finished),
    });
    if let Some(health) = &c.health {
        let failed = health == "unhealthy";
        let probe = json!({ "Start": rfc3339(c.started), "End": rfc3339(c.started),
            "ExitCode": i32::from(failed), "Output": c.health_output });
        let log = if health == "starting" { json!([]) } else { json!([probe]) };
        let streak = if failed { 3 } else { 0 };
        json["Health"] = json!({ "Status": health, "FailingStreak": streak, "Log": log });
    }
    json
}

fn ports_json(c: &Container) -> Value {
    let mut ports = Map::new();
    if c.is_running() {
        for (port, _) in c.config["ExposedPorts"].as_object().into_iter().flatten() {
            ports.insert(port.clone(), Value::Null);
        }
        for (port, at) in &c.ports {
            let bindings: Vec<_> = at
                .iter()
                .map(|(ip, port)| json!({ "HostIp": ip, "HostPort": port.to_string() }))
                .collect();
            ports.insert(port.clone(), json!(bindings));
        }
    }
    Value::Object(ports)
}

fn networks_json(state: &State, c: &Container) -> Value {
    let mut networks = Map::new();
    for a in &c.networks {
        let network = state.network(&a.network);
        let name = network.map_or(&a.network, |n| &n.name);
        let gateway = network.map(|n| format!("{}.1", n.prefix));
        let live = c.is_running();
        let entry = json!({
            "IPAMConfig": a.config["IPAMConfig"], "Aliases": a.config["Aliases"],
            "NetworkID": network.map_or("", |n| &n.id), "EndpointID": if live { &c.id } else { "" },
            "Gateway": gateway.filter(|_| live).unwrap_or_default(),
            "IPAddress": if live { &a.ip } else { "" }, "IPPrefixLen": if live { 16 } else { 0 },
            "MacAddress": if live { "02:42:ac:11:00:02" } else { "" },
        });
        networks.insert(name.clone(), entry);
    }
    Value::Object(networks)
}

fn mounts_json(c: &Container) -> Value {
    let mount = |m: &super::state::Mounted| {
        let source = format!("/var/lib/docker/volumes/{}/_data", m.volume);
        json!({ "Type": "volume", "Name": m.volume, "Source": source, "Destination": m.target,
            "Driver": "local", "Mode": "z", "RW": true, "Propagation": "" })
    };
    c.volumes.iter().map(mount).collect()
}

pub(super) fn summary_json(state: &State, c: &Container) -> Value {
    let mut ports = Vec::new();
    for (port, at) in &c.ports {
        let (number, kind) = port.split_once('/').unwrap_or((port, "tcp"));
        let number = number.parse::<u16>().unwrap_or(0);
        for (ip, public) in at {
            let entry = json!({ "IP": ip, "PrivatePort": number, "PublicPort": public,
                "Type": kind });
            ports.push(entry);
        }
    }
    let status = match c.state.as_str() {
        "created" => "Created".to_owned(),
        "exited" => format!("Exited ({}) Less than a second ago", c.exit_code),
        "paused" => "Up Less than a second (Paused)".to_owned(),
        _ => match &c.health {
            Some(health) => format!("Up Less than a second ({health})"),
            None => "Up Less than a second".to_owned(),
        },
    };
    json!({
        "Id": c.id, "Names": [format!("/{}", c.name)], "Image": c.image, "ImageID": c.image_id,
        "Command": "serve", "Created": c.created / 1_000_000_000, "Ports": ports,
        "Labels": c.labels, "State": c.state, "Status": status, "Mounts": mounts_json(c),
        "HostConfig": { "NetworkMode": c.host["NetworkMode"].as_str().unwrap_or("default") },
        "NetworkSettings": { "Networks": networks_json(state, c) },
    })
}

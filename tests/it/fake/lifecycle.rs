//! The life of containers: start, stop, kill, pause.

use std::sync::Arc;

use serde_json::{Value, json};

use super::FakeContainer;
use super::containers::find;
use super::http::{Fault, Request, Response, fault};
use super::nets::next_ip;
use super::routes::{Reply, not_found};
use super::state::{Container, Shared, State};

/// Starts or restarts a container, and then calls the start hooks without the lock.
pub(super) fn start(shared: &Arc<Shared>, parts: &[&str]) -> Reply {
    let restart = parts[1] == "restart";
    let (id, hooks) = shared.update(|state| {
        let id = find(state, parts[0])?;
        if restart {
            state.exit(&id, 143, false);
        }
        let done = begin(state, &id)?;
        let hooks = if done { state.start_hooks.clone() } else { Vec::new() };
        Ok((done.then_some(id), hooks))
    })?;
    let Some(id) = id else { return Ok(Response::empty(304)) };
    let container = FakeContainer::new(shared.clone(), id);
    for hook in hooks {
        hook(&container);
    }
    Ok(Response::empty(204))
}

fn begin(state: &mut State, id: &str) -> Result<bool, Fault> {
    let Some(c) = state.container(id).cloned() else { return Err(not_found()) };
    if c.state == "paused" {
        return Err(fault(409, "cannot start a paused container, try unpause instead"));
    }
    if c.is_running() {
        return Ok(false);
    }
    if let Some(a) = c.networks.iter().find(|a| state.network(&a.network).is_none()) {
        return Err(fault(404, format!("network {} not found", a.network)));
    }
    let ports = bind_ports(state, &c)?;
    let ips: Vec<_> = c.networks.iter().map(|a| next_ip(state, &a.network)).collect();
    let (now, hide) = (state.now(), state.hide_ports);
    let test = &c.config["Healthcheck"]["Test"];
    let checked = test.as_array().is_some_and(|t| !t.is_empty() && t[0] != "NONE");
    if let Some(c) = state.container_mut(id) {
        c.state = "running".into();
        c.started = now;
        c.ports = ports;
        c.hidden_ports = hide;
        c.health = checked.then(|| "starting".to_owned());
        (c.exit_code, c.oom) = (0, false);
        for (attachment, ip) in c.networks.iter_mut().zip(ips) {
            attachment.ip = ip;
        }
    }
    state.emit_container(id, "start", &[]);
    Ok(true)
}

type Ports = std::collections::BTreeMap<String, Vec<(String, u16)>>;

fn bind_ports(state: &mut State, c: &Container) -> Result<Ports, Fault> {
    let mut wanted: Vec<(String, String, u16)> = Vec::new();
    for (port, at) in c.host["PortBindings"].as_object().into_iter().flatten() {
        let any = [Value::Null];
        for binding in at.as_array().filter(|a| !a.is_empty()).map_or(&any[..], |a| a) {
            let text = |key: &str| binding[key].as_str().unwrap_or("");
            let ip = if text("HostIp").is_empty() { "0.0.0.0" } else { text("HostIp") };
            let number = text("HostPort").parse().unwrap_or(0);
            wanted.push((port.clone(), ip.to_owned(), number));
        }
    }
    if c.host["PublishAllPorts"].as_bool().unwrap_or(false) {
        for (port, _) in c.config["ExposedPorts"].as_object().into_iter().flatten() {
            if !wanted.iter().any(|(p, ..)| p == port) {
                wanted.push((port.clone(), "0.0.0.0".to_owned(), 0));
            }
        }
    }
    let mut ports = Ports::new();
    for (port, ip, asked) in wanted {
        let mut taken = state.containers.iter().flat_map(|c| c.ports.values().flatten());
        if asked != 0 && taken.any(|(_, used)| *used == asked) {
            let text = format!(
                "driver failed programming external connectivity on endpoint {} ({}): Bind for \
                 {ip}:{asked} failed: port is already allocated",
                c.name, c.id
            );
            return Err(fault(500, text));
        }
        let number = match state.published.get(&port) {
            Some(number) if asked == 0 => *number,
            _ if asked == 0 => state.new_port(),
            _ => asked,
        };
        ports.entry(port).or_default().push((ip, number));
    }
    Ok(ports)
}

/// Handles the requests of the form `POST /containers/{id}/{action}` that only change the state.
pub(super) fn act(state: &mut State, request: &Request, id: &str, action: &str) -> Reply {
    let asked = id;
    let id = find(state, id)?;
    let Some(c) = state.container(&id) else { return Err(not_found()) };
    let (running, paused) = (c.is_running(), c.state == "paused");
    match action {
        "stop" if !running => return Ok(Response::empty(304)),
        "stop" => {
            let code = if request.get("t") == "0" { 137 } else { 143 };
            state.emit_container(&id, "kill", &[("signal", (code - 128).to_string())]);
            state.exit(&id, code, false);
            state.emit_container(&id, "stop", &[]);
        }
        "kill" if !running => {
            let text = format!("Cannot kill container: {asked}: Container {id} is not running");
            return Err(fault(409, text));
        }
        "kill" => kill(state, &id, request.get("signal")),
        "pause" if !running => {
            return Err(fault(409, format!("Container {id} is not running")));
        }
        "pause" if paused => {
            return Err(fault(409, format!("Container {id} is already paused")));
        }
        "pause" => set_state(state, &id, "paused", "pause"),
        "unpause" if !paused => {
            return Err(fault(409, format!("Container {id} is not paused")));
        }
        "unpause" => set_state(state, &id, "running", "unpause"),
        "update" => return Ok(Response::json(200, &json!({ "Warnings": null }))),
        "resize" => return Ok(Response::empty(200)),
        _ => return Err(not_found()),
    }
    Ok(Response::empty(204))
}

fn set_state(state: &mut State, id: &str, to: &str, event: &str) {
    if let Some(container) = state.container_mut(id) {
        container.state = to.to_owned();
    }
    state.emit_container(id, event, &[]);
}

fn kill(state: &mut State, id: &str, signal: &str) {
    let signal = signal.trim_start_matches("SIG");
    let number = match signal {
        "" | "KILL" => 9,
        "TERM" => 15,
        "INT" => 2,
        "QUIT" => 3,
        "HUP" => 1,
        "USR1" => 10,
        "USR2" => 12,
        other => other.parse().unwrap_or(9),
    };
    state.emit_container(id, "kill", &[("signal", number.to_string())]);
    if matches!(number, 2 | 3 | 9 | 15) {
        state.exit(id, 128 + number, false);
    }
}

//! Commands run in containers.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::containers::find;
use super::http::{Connection, Request, Response, fault};
use super::routes::{Answer, Reply, not_found};
use super::script::{ExecScript, glob};
use super::state::{Container, Exec, Shared, State, Stream};
use super::stream::{Feed, framed};

pub(super) fn route(shared: &Arc<Shared>, request: &Request, parts: &[&str]) -> Answer {
    match (request.method.as_str(), parts) {
        ("GET", [id, "json"]) => shared.update(|s| inspect(s, id)).into(),
        ("POST", [id, "start"]) => shared.update(|s| start(s, request, id)),
        ("POST", [_, "resize"]) => Answer::Full(Response::empty(200)),
        _ => Answer::Full(not_found().into()),
    }
}

pub(super) fn create(state: &mut State, request: &Request, container: &str) -> Reply {
    let asked = container;
    let container = find(state, container)?;
    let found = state.container(&container);
    if found.is_some_and(|c| c.state == "paused") {
        let text = format!("Container {asked} is paused, unpause the container before exec");
        return Err(fault(409, text));
    }
    if !found.is_some_and(|c| c.is_running()) {
        return Err(fault(409, format!("Container {container} is not running")));
    }
    let id = state.new_id();
    let spec = request.body.clone();
    let words = spec["Cmd"].as_array().into_iter().flatten();
    let command: Vec<String> = words.filter_map(Value::as_str).map(String::from).collect();
    if command.is_empty() {
        return Err(fault(400, "No exec command specified"));
    }
    let script = script_for(state, &command);
    let (stdin, running, code) = (Vec::new(), false, None);
    let exec = Exec { id: id.clone(), container, command, spec, stdin, running, code, script };
    state.execs.push(exec);
    Ok(Response::json(201, &json!({ "Id": id })))
}

fn script_for(state: &mut State, command: &[String]) -> ExecScript {
    let line = command.join(" ");
    let mut scripts = state.exec_scripts.iter_mut();
    if let Some((_, script)) = scripts.find(|(p, s)| s.times > 0 && glob(p, &line)) {
        script.times -= 1;
        return script.clone();
    }
    let text = format!(
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \
         \"{}\": executable file not found in $PATH: unknown\r\n",
        command[0]
    );
    ExecScript::exit(126).stdout(text)
}

fn start(state: &mut State, request: &Request, id: &str) -> Answer {
    let detach = request.body["Detach"].as_bool().unwrap_or(false);
    let Some(exec) = state.execs.iter_mut().find(|e| e.id == id) else {
        return Answer::Full(fault(404, format!("No such exec instance: {id}")).into());
    };
    if exec.running || exec.code.is_some() {
        let text = format!("Error: Exec command {id} has already run");
        return Answer::Full(fault(409, text).into());
    }
    if !state.containers.iter().any(|c| c.id == exec.container && c.is_running()) {
        let text = format!("Container {} is not running", exec.container);
        return Answer::Full(fault(409, text).into());
    }
    exec.running = true;
    if detach && !exec.script.hang {
        exec.running = false;
        exec.code = Some(exec.script.code);
    }
    if detach {
        return Answer::Full(Response::empty(200));
    }
    Answer::Feed(Feed::Exec { id: id.to_owned() })
}

fn inspect(state: &mut State, id: &str) -> Reply {
    let missing = || fault(404, format!("No such exec instance: {id}"));
    let exec = state.execs.iter_mut().find(|e| e.id == id).ok_or_else(missing)?;
    let lingers = exec.code.is_some() && exec.script.lingers > 0;
    exec.script.lingers -= usize::from(lingers);
    let running = exec.running || lingers;
    let flag = |key: &str| exec.spec[key].as_bool().unwrap_or(false);
    let json = json!({
        "ID": exec.id, "Running": running, "ContainerID": exec.container,
        "ExitCode": exec.code.filter(|_| !running), "Pid": if running { 99 } else { 0 },
        "OpenStdin": flag("AttachStdin"), "OpenStdout": flag("AttachStdout"),
        "OpenStderr": flag("AttachStderr"), "CanRemove": false, "DetachKeys": "",
        "ProcessConfig": { "tty": flag("Tty"), "privileged": flag("Privileged"),
            "entrypoint": exec.command[0], "arguments": &exec.command[1..] },
    });
    Ok(Response::json(200, &json))
}

/// Serves the client of a started exec, until the command has ended.
pub(super) async fn run(
    shared: &Arc<Shared>,
    request: &Request,
    connection: &mut Connection,
    id: &str,
) -> io::Result<()> {
    connection.hijack(request).await?;
    let found = shared.read(|state| state.execs.iter().find(|e| e.id == id).cloned());
    let Some(Exec { script, container, spec, .. }) = found else { return Ok(()) };
    let flag = |key: &str| spec[key].as_bool().unwrap_or(false);
    let (tty, has_stdin) = (flag("Tty"), flag("AttachStdin"));
    let frame = |stream, bytes: &[u8]| if tty { bytes.to_vec() } else { framed(stream, bytes) };
    for (stream, bytes) in &script.output {
        connection.send(&frame(*stream, bytes)).await?;
    }
    let mut version = shared.version.subscribe();
    let mut input_open = true;
    let ended = |s: &State| !s.container(&container).is_some_and(Container::is_running);
    while (script.hang || (script.echo && input_open)) && !shared.read(ended) {
        tokio::select! {
            _ = version.changed() => {}
            input = connection.input(), if input_open => match input {
                None if !has_stdin => return Err(io::ErrorKind::BrokenPipe.into()),
                None => input_open = false,
                Some(bytes) => {
                    if script.echo {
                        connection.send(&frame(Stream::Stdout, &bytes)).await?;
                    }
                    take_stdin(shared, id, bytes);
                }
            }
        }
    }
    finish_exec(shared, id, &script);
    Ok(())
}

fn take_stdin(shared: &Shared, id: &str, bytes: Vec<u8>) {
    shared.update(|state| {
        if let Some(exec) = state.execs.iter_mut().find(|e| e.id == id) {
            exec.stdin.extend(bytes);
        }
    });
}

fn finish_exec(shared: &Shared, id: &str, script: &ExecScript) {
    shared.update(|state| {
        if let Some(exec) = state.execs.iter_mut().find(|e| e.id == id && e.running) {
            exec.running = false;
            exec.code = Some(script.code);
        }
    });
}

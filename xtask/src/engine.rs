//! Discovery or set-up of an engine.

use std::env;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{as_root, command, find, is_root, output, user};
use crate::daemon::Daemon;
use crate::endpoint::{DOCKER, Endpoint};
use crate::progress::say;
use crate::step::step;
use crate::{Outcome, apt, podman};

const DOCKERD: Daemon = Daemon { name: "engine", own_pid_file: Some("/var/run/docker.pid") };

/// The pid files of daemons, with the names of their processes.
const PID_FILES: [(&str, &str); 2] = [
    ("/var/run/docker.pid", "dockerd"),
    ("/var/run/docker/containerd/containerd.pid", "containerd"),
];

const HELP: &str = "\
no container engine answers, and none can be set up without help. Either
  - start one: Docker (`sudo systemctl start docker`), Docker Desktop, Podman
    (`podman system service --time=0 unix:///run/podman/podman.sock`), Colima …
  - or name one: CASTOFF_ENGINE=unix:///path/to/engine.sock
  - or, on Debian or Ubuntu, run this as root or with passwordless sudo: it installs docker.io
and run the same command again.";

/// Runs `cargo xtask engine <verb>`.
pub(crate) fn verb(verb: &str) -> Outcome {
    match verb {
        "up" => up().map(drop),
        "down" => down(),
        "status" => status(),
        _ => Err(format!("engine {verb}? It is up, down or status")),
    }
}

/// Returns an engine that answers: found, started or installed.
pub(crate) fn up() -> Outcome<Endpoint> {
    let endpoint = match named()? {
        Some(endpoint) => endpoint,
        None => set_up()?,
    };
    say(&format!("engine: {} at {endpoint}", endpoint.describe()?));
    Ok(endpoint)
}

fn down() -> Outcome {
    let stopped = step("stop the engine that xtask started", || DOCKERD.stop())?;
    println!("{}", if stopped { "stopped" } else { "xtask started none that still runs" });
    Ok(())
}

fn status() -> Outcome {
    let mut any = false;
    let mut known = candidates();
    if !known.contains(&podman::endpoint()) {
        known.push(podman::endpoint());
    }
    for endpoint in known.into_iter().filter(Endpoint::answers) {
        any = true;
        println!("answers: {} at {endpoint}", endpoint.describe()?);
    }
    if let Some(pid) = DOCKERD.running() {
        println!("started by xtask: dockerd, pid {pid}");
    }
    if any { Ok(()) } else { Err("no engine answers; try `cargo xtask engine up`".into()) }
}

/// Returns the first engine that answers. One that a variable names must answer, unless it is the
/// one that the set-up would start.
fn named() -> Outcome<Option<Endpoint>> {
    for variable in ["CASTOFF_ENGINE", "DOCKER_HOST"] {
        let Some(address) = env::var(variable).ok().filter(|text| !text.is_empty()) else {
            continue;
        };
        let endpoint = Endpoint::new(&address);
        if endpoint.answers() {
            return Ok(Some(endpoint));
        }
        if endpoint != Endpoint::new(DOCKER) {
            return Err(format!("{variable} names {endpoint}, where no engine answers"));
        }
    }
    Ok(candidates().into_iter().find(Endpoint::answers))
}

fn candidates() -> Vec<Endpoint> {
    let runtime = env::var("XDG_RUNTIME_DIR").unwrap_or_else(|_| format!("/run/user/{}", user()));
    let home = env::var("HOME").unwrap_or_default();
    let mut found = vec![
        Endpoint::new(DOCKER),
        Endpoint::new("/run/podman/podman.sock"),
        Endpoint::new(&format!("{runtime}/docker.sock")),
        Endpoint::new(&format!("{home}/.docker/run/docker.sock")),
        Endpoint::new(&format!("{runtime}/podman/podman.sock")),
    ];
    for variable in ["DOCKER_HOST", "CASTOFF_ENGINE"] {
        if let Ok(address) = env::var(variable) {
            found.retain(|known| known.address() != address);
            found.insert(0, Endpoint::new(&address));
        }
    }
    found
}

fn set_up() -> Outcome<Endpoint> {
    let docker = Endpoint::new(DOCKER);
    if find("dockerd").is_none() {
        if find("podman").is_some() {
            return podman::up();
        }
        if !apt::available() {
            return Err(HELP.into());
        }
        install()?;
    }
    if !came_up_by_itself(&docker) {
        step("start dockerd", || start(&docker))?;
    }
    Ok(docker)
}

/// Installs Docker. Debian's docker.io contains the client until release 12; later it is in
/// docker-cli.
fn install() -> Outcome {
    let mut packages = vec!["docker.io", "iptables", "ca-certificates"];
    if apt::has("docker-cli") {
        packages.push("docker-cli");
    }
    apt::install(&packages)
}

/// Returns whether the service manager starts the engine, as it does right after installation.
fn came_up_by_itself(docker: &Endpoint) -> bool {
    if Path::new("/run/systemd/system").exists() {
        let mut systemctl = as_root("systemctl");
        systemctl.args(["start", "docker"]);
        if let Err(reason) = output(systemctl) {
            eprintln!("  {reason}");
        }
    }
    let running = || {
        let mut pidof = command("pidof");
        pidof.arg("dockerd");
        output(pidof).is_ok()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while running() && Instant::now() < deadline {
        if docker.answers() {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    false
}

fn start(docker: &Endpoint) -> Outcome {
    let Some(program) = find("dockerd") else { return Err(HELP.into()) };
    let mut dockerd = as_root(program);
    dockerd.args(["--host", DOCKER]);
    if !is_root() {
        let mut group = command("id");
        group.arg("-g");
        dockerd.args(["--group", output(group)?.trim()]);
    }
    PID_FILES.into_iter().try_for_each(|(file, name)| forget(file, name))?;
    DOCKERD.start(&dockerd, docker)
}

/// Removes the pid file of a daemon that was killed. Its pid may belong to another process by now,
/// which dockerd would take for itself, or for its containerd.
fn forget(file: &str, name: &str) -> Outcome {
    let Ok(pid) = fs::read_to_string(file) else { return Ok(()) };
    let process = fs::read_to_string(format!("/proc/{}/comm", pid.trim()));
    if process.is_ok_and(|process| process.trim() == name) {
        return Ok(());
    }
    let mut remove = as_root("rm");
    remove.args(["-f", file]);
    output(remove).map(drop)
}

//! Podman next to Docker, to run the same tests against its Docker-compatible API.

use std::env;
use std::path::PathBuf;

use crate::command::{command, find, is_root};
use crate::daemon::Daemon;
use crate::endpoint::Endpoint;
use crate::step::step;
use crate::{Outcome, apt, paths};

const SERVICE: Daemon = Daemon { name: "podman", own_pid_file: None };

/// Settings for containers. Larger limits would need CAP_SYS_RESOURCE, which containers and some
/// machines lack.
const CONTAINERS: &str = "\
[containers]
default_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]
";

/// Runs `cargo xtask engine podman <verb>`.
pub(crate) fn verb(verb: &str) -> Outcome {
    match verb {
        "up" => up().map(|endpoint| println!("use it: CASTOFF_ENGINE={endpoint}")),
        "down" => {
            let stopped = step("stop the Podman service that xtask started", || SERVICE.stop())?;
            println!("{}", if stopped { "stopped" } else { "xtask started none that still runs" });
            Ok(())
        }
        "status" => {
            println!("{} at {}", endpoint().describe()?, endpoint());
            Ok(())
        }
        _ => Err(format!("engine podman {verb}? It is up, down or status")),
    }
}

/// Returns the socket of xtask's own Podman service.
pub(crate) fn endpoint() -> Endpoint {
    let folder = if is_root() { Some("/run".to_owned()) } else { env::var("XDG_RUNTIME_DIR").ok() };
    Endpoint::new(&format!("{}/castoff-podman.sock", folder.unwrap_or_else(|| "/tmp".to_owned())))
}

/// Returns a Podman service that answers: found, started or installed.
pub(crate) fn up() -> Outcome<Endpoint> {
    let endpoint = endpoint();
    if endpoint.answers() {
        return Ok(endpoint);
    }
    if find("podman").is_none() {
        if !apt::available() {
            return Err("podman is not installed, and installing it needs root on Debian".into());
        }
        apt::install(&["podman", "crun", "netavark", "aardvark-dns"])?;
    }
    step("start podman system service", || {
        let mut podman = command("podman");
        podman
            .args(["system", "service", "--time=0", endpoint.address()])
            .env("CONTAINERS_CONF", configuration()?);
        SERVICE.start(&podman, &endpoint)
    })?;
    println!("engine: {} at {endpoint}", endpoint.describe()?);
    Ok(endpoint)
}

/// Writes a private containers.conf. crun refuses cgroup v1 and hybrid hierarchies, for which runc
/// works; cgroupfs needs no systemd.
fn configuration() -> Outcome<PathBuf> {
    let mut text = CONTAINERS.to_owned();
    text.push_str("\n[engine]\ncgroup_manager = \"cgroupfs\"\n");
    let unified = PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists();
    if !unified && find("runc").is_some() {
        text.push_str("runtime = \"runc\"\n");
    }
    let netavark = ["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark"];
    if netavark.iter().any(|file| PathBuf::from(file).exists()) {
        text.push_str("\n[network]\nnetwork_backend = \"netavark\"\n");
    }
    let path = paths::scratch("containers.conf")?;
    paths::write(&path, &text)?;
    Ok(path)
}

//! Newer engines beside the machine's own, from newer Debian suites. Each has its own root and its
//! own network, mount, process, host name and IPC namespaces: it affects neither the machine's
//! iptables rules nor its bridges nor its images.

mod mirror;
mod network;
mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{command, find, is_root, output};
use crate::daemon::Daemon;
use crate::endpoint::Endpoint;
use crate::step::step;
use crate::{Outcome, apt, paths};

/// The directory of these engines' roots, images, logs and sockets. Sockets need a short path.
const BASE: &str = "/var/tmp/castoff-engines";
const ENTER: &str = include_str!("enter.sh");
/// Limit for an engine to end its containers and itself.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// An engine by its name.
#[derive(Debug)]
pub(crate) struct Rig {
    name: &'static str,
    suite: &'static str,
    /// A number that makes its addresses unique.
    number: u8,
}

/// The available engines. Those of one suite share one root.
const RIGS: [Rig; 7] = [
    Rig { name: "docker28", suite: "forky", number: 1 },
    Rig { name: "docker28-containerd", suite: "forky", number: 2 },
    Rig { name: "podman58", suite: "forky", number: 3 },
    Rig { name: "docker26", suite: "trixie", number: 4 },
    Rig { name: "docker26-containerd", suite: "trixie", number: 5 },
    Rig { name: "podman54", suite: "trixie", number: 6 },
    Rig { name: "podman43", suite: "bookworm", number: 7 },
];
/// The root whose pasta serves them all: bookworm has none.
const PASTA: &str = "forky";

/// Runs `cargo xtask engine <verb> <name>`.
pub(crate) fn verb(verb: &str, name: &str) -> Outcome {
    let rig = named(name)?;
    match verb {
        "up" => rig.up().map(|engine| {
            println!("use it: cargo xtask engine exec {name} <command>, or CASTOFF_ENGINE={engine}")
        }),
        "down" => rig.down(),
        "status" => {
            println!("{} at {}", rig.endpoint().describe()?, rig.endpoint());
            Ok(())
        }
        _ => Err(format!("engine {verb} {name}? It is up, down, status or exec")),
    }
}

/// Runs `cargo xtask engine exec <name> <command>…`: a command for which the engine's published
/// ports are on 127.0.0.1, with the files of this machine.
pub(crate) fn exec(name: &str, words: &[&str]) -> Outcome {
    let rig = named(name)?;
    let Some((program, args)) = words.split_first() else {
        return Err(format!("engine exec {name}: no command is given"));
    };
    let engine = rig.endpoint();
    if !engine.answers() {
        return Err(format!("{name} is not up: cargo xtask engine up {name}"));
    }
    let mut wanted = command(program);
    wanted.args(args);
    crate::command::run(rig.inside(&wanted))
}

/// Returns why none of them can run on this machine, if so.
pub(crate) fn missing() -> Option<String> {
    let system = apt::release("ID");
    match (is_root(), system.as_str()) {
        (true, "debian") => None,
        (false, _) => Some("needs root: it is made of namespaces and packages".into()),
        (true, _) => Some(format!("needs Debian's packages; this is {system}")),
    }
}

/// Returns the engine with a name, or all of them.
pub(crate) fn chosen(name: &str) -> Outcome<Vec<Rig>> {
    if name == "all" { Ok(RIGS.into()) } else { named(name).map(|rig| vec![rig]) }
}

pub(crate) fn named(name: &str) -> Outcome<Rig> {
    let names = RIGS.map(|rig| rig.name).join(", ");
    let rig = RIGS.into_iter().find(|rig| rig.name == name);
    rig.ok_or_else(|| format!("no engine is called {name}; there are {names}"))
}

impl Rig {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of a log about it.
    pub(crate) fn name_of(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// Returns the same command, run where the engine's published ports are on 127.0.0.1.
    pub(crate) fn inside(&self, wanted: &Command) -> Command {
        let mut inside = command("nsenter");
        inside.arg(format!("--net={}", network::file(self))).arg("--");
        inside.arg(wanted.get_program()).args(wanted.get_args());
        if let Some(folder) = wanted.get_current_dir() {
            inside.current_dir(folder);
        }
        for (name, value) in wanted.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.env("CASTOFF_ENGINE", self.endpoint().address());
        inside
    }

    /// Returns another package of the engine's suite, unpacked into a folder of its own.
    pub(crate) fn package(&self, name: &str) -> Outcome<PathBuf> {
        root::package(self.suite, name)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&format!("unix://{BASE}/run/{}.sock", self.name))
    }

    fn daemon(&self) -> Daemon {
        Daemon { name: self.name, own_pid_file: None }
    }

    fn state(&self) -> PathBuf {
        Path::new(BASE).join("data").join(self.name)
    }

    /// Starts the engine: its root, its network, then itself.
    pub(crate) fn up(&self) -> Outcome<Endpoint> {
        let engine = self.endpoint();
        if engine.answers() {
            return Ok(engine);
        }
        if let Some(reason) = missing() {
            return Err(format!("{} {reason}", self.name));
        }
        if find("ip").is_none() {
            apt::install(&["iproute2"])?;
        }
        for suite in [PASTA, self.suite] {
            step(&format!("root of {suite}"), || root::provide(suite))?;
        }
        let started = step(&format!("start {}", self.name), || {
            self.configure()?;
            network::up(self)?;
            let folder = Path::new(BASE).join("run");
            fs::create_dir_all(&folder)
                .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
            // The socket of an engine that is gone; it does not exist at the first start.
            drop(fs::remove_file(folder.join(format!("{}.sock", self.name))));
            self.daemon().start(&self.command(), &engine)
        });
        if let Err(reason) = started {
            // The reason matters, not the success of the cleanup.
            drop(self.down());
            return Err(reason);
        }
        println!("engine: {} at {engine}", engine.describe()?);
        Ok(engine)
    }

    fn command(&self) -> Command {
        let mut start = command("sh");
        start.args(["-c", network::THEN, "sh", BASE, PASTA, &network::namespace(self)]);
        start.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]);
        start.args(["--propagation", "private", "sh", "-c", ENTER, "sh", BASE, self.name]);
        start.arg(self.suite).arg(paths::root());
        start
    }

    /// Writes the engine's own configuration over its root.
    fn configure(&self) -> Outcome {
        let etc = self.state().join("upper/etc");
        if self.name.starts_with("docker") {
            let text = if self.name.ends_with("containerd") {
                r#"{"features": {"containerd-snapshotter": true}}"#
            } else {
                r#"{"storage-driver": "overlay2"}"#
            };
            return paths::write(&etc.join("docker/daemon.json"), text);
        }
        paths::write(&etc.join("containers/containers.conf"), PODMAN)
    }

    /// Removes the control groups that Docker leaves: one for all controllers, or one for each.
    fn forget_groups(&self) {
        let all = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_dir(all).into_iter().flatten().flatten();
        for folder in controllers.map(|entry| entry.path()).chain([all.to_owned()]) {
            let group = folder.join(format!("castoff-{}", self.name));
            if group.is_dir() {
                remove_groups(&group);
            }
        }
    }

    /// Ends the engine with everything that runs on it; its images stay.
    pub(crate) fn down(&self) -> Outcome {
        let daemon = self.daemon();
        let Some(outer) = daemon.running() else {
            if self.endpoint().answers() {
                return Err(format!("{} runs, but this workspace has not started it", self.name));
            }
            network::down(self);
            println!("xtask started none that still runs");
            return Ok(());
        };
        let stopped = step(&format!("stop {}", self.name), || {
            // `unshare` ignores the signal: its child, process 1 of the engine, receives it.
            if let Some(first) = first_inside(outer) {
                let mut kill = command("kill");
                kill.args(["-TERM", &first]);
                output(kill)?;
            }
            let deadline = Instant::now() + STOP_LIMIT;
            while daemon.running().is_some() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(50));
            }
            if daemon.running().is_some() {
                let mut kill = command("kill");
                kill.args(["-KILL", &outer.to_string()]);
                output(kill)?;
            }
            daemon.stop().map(drop)
        });
        network::down(self);
        self.forget_groups();
        stopped
    }
}

/// Removes the control groups below a folder, and the folder. Only empty ones can be removed.
fn remove_groups(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_groups(&entry.path());
        }
    }
    // A group that is in use stays, and is removed by the next `down`.
    drop(fs::remove_dir(folder));
}

/// Settings for Podman: runc works with every cgroup hierarchy, and cgroupfs without systemd.
/// Larger limits would need CAP_SYS_RESOURCE.
const PODMAN: &str = "\
[containers]
default_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]
log_driver = \"k8s-file\"
[engine]
cgroup_manager = \"cgroupfs\"
runtime = \"runc\"
events_logger = \"file\"
[network]
network_backend = \"netavark\"
";

/// Returns the child in another process namespace.
fn first_inside(outer: u32) -> Option<String> {
    let ours = fs::read_link("/proc/self/ns/pid").ok()?;
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
    let inside =
        |pid: &&str| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|its| its != ours);
    children.split_whitespace().find(inside).map(str::to_owned)
}

//! Where a child runs: beside this program, in a control group of its own, or in a container.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::engine::{Engine, LABEL};
use crate::way::Way;

/// What the program needs of an image: the C library that it was built with.
const IMAGE: &str = "castoff.test/debian";
const LIMIT: Duration = Duration::from_secs(10);

/// Where a child runs.
pub(crate) enum Place {
    Beside,
    Unit(Unit),
    /// A container by its name, on the engine that has what the child makes.
    Container(String, Engine),
}

impl Place {
    pub(crate) fn of(way: Option<Way>, name: &str, engine: &Engine) -> Outcome<Place> {
        match way {
            Some(Way::KillUnit) => Unit::new(name).map(Place::Unit),
            Some(way) if way.in_a_container() => Ok(Place::host(name, engine)),
            _ => Ok(Place::Beside),
        }
    }

    pub(crate) fn host(name: &str, engine: &Engine) -> Place {
        Place::Container(format!("host-{name}"), engine.clone())
    }

    /// The command that starts this program there; the name is on its command line.
    pub(crate) fn command(&self, name: &str, variables: &[(&str, &str)]) -> Outcome<Command> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = match self {
            Place::Beside => Command::new("env"),
            Place::Unit(unit) => {
                let mut shell = Command::new("sh");
                let enter = r#"echo $$ > "$0/cgroup.procs" && exec env "$@""#;
                shell.args(["-c", enter]).arg(&unit.folder);
                shell
            }
            Place::Container(container, engine) => {
                let mut docker = docker(engine);
                docker.args(["run", "--rm", "--interactive", "--name", container]);
                docker.args(["--volume", &format!("{0}:{0}", engine.socket())]);
                docker.args(["--volume", &format!("{}:/chaos:ro", program.display())]);
                docker.args(["--env", &format!("CASTOFF_ENGINE=unix://{}", engine.socket())]);
                for (variable, value) in variables {
                    docker.args(["--env", &format!("{variable}={value}")]);
                }
                docker.args([IMAGE, "env"]);
                docker
            }
        };
        // A shell lets programs in the background ignore SIGINT, and they their children.
        command.arg("--default-signal");
        match self {
            Place::Container(..) => command.arg("/chaos"),
            _ => command.arg(program).envs(variables.iter().copied()),
        };
        command.arg(name).process_group(0);
        Ok(command)
    }

    /// Ends it, and whatever guards it, without a word.
    pub(crate) fn kill(&self) -> Outcome {
        match self {
            Place::Beside => Ok(()),
            Place::Unit(unit) => unit.kill(),
            Place::Container(name, engine) => {
                run(docker(engine).args(["kill", name]))?;
                let began = Instant::now();
                // Removed by the engine, since it was run with --rm: then it counts as gone.
                while engine.call("GET", &format!("/containers/{name}/json"), None)?.0 == 200 {
                    if began.elapsed() > LIMIT {
                        return Err(format!("container {name} does not end"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            }
        }
    }
}

/// The client of the engine that the children use.
fn docker(engine: &Engine) -> Command {
    let mut docker = Command::new("docker");
    docker.env("DOCKER_HOST", format!("unix://{}", engine.socket()));
    docker
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// A control group; needs root.
pub(crate) struct Unit {
    folder: PathBuf,
}

impl Unit {
    pub(crate) fn new(name: &str) -> Outcome<Unit> {
        let all = Path::new("/sys/fs/cgroup");
        // One hierarchy for all, or one for each controller: any of them counts processes.
        let one = all.join("cgroup.controllers").exists();
        let folder = if one { all.join(name) } else { all.join("pids").join(name) };
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Unit { folder })
    }

    /// Kills all that is in it, also what comes meanwhile.
    fn kill(&self) -> Outcome {
        let began = Instant::now();
        loop {
            let all = fs::read_to_string(self.folder.join("cgroup.procs"));
            let all = all.map_err(|error| error.to_string())?;
            if all.trim().is_empty() {
                return Ok(());
            }
            if began.elapsed() > LIMIT {
                return Err(format!("these do not end: {all}"));
            }
            let pids = all.lines().filter_map(|line| line.parse().ok());
            for pid in pids.filter_map(rustix::process::Pid::from_raw) {
                // One that has ended meanwhile is no longer there.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The ways that this machine allows, and why it does not allow the others.
pub(crate) fn ways(engine: &Engine) -> (Vec<Way>, Vec<String>) {
    let mut refused = Vec::new();
    let unit = Unit::new(&format!("chaos-probe-{}", std::process::id())).map(drop);
    let label = format!("{LABEL}=probe");
    let container = run(docker(engine).args(["run", "--rm", "--label", &label, IMAGE, "true"]));
    let ways = Way::ALL.into_iter().filter(|way| {
        let allowed = match way {
            Way::KillUnit => &unit,
            Way::HostExits | Way::KillHost => &container,
            _ => &Ok(()),
        };
        refused.extend(allowed.as_ref().err().map(|why| format!("{way:?}: {why}")));
        allowed.is_ok()
    });
    (ways.collect(), refused)
}

//! Builds with a context of 10,000 files and 100 MB, against the docker command line.
//!
//! Both sides are processes of their own, timed from their start to their end, on trees of their own
//! that hold the same. The step sees the whole context and copies nothing, so that what is measured is
//! the client: to walk the tree, to say what is in it, and to send what the engine asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use castoff::{Engine, Image};
use serde_json::{Value, json};

use crate::stats::{Judged, Row};
use crate::{BUSYBOX, Bench, Outcome, Side, child};

const FILES: usize = 10_000;
const FILE_BYTES: usize = 10_000;
const NAME: &str = "castoff-bench-build";

/// What a turn changes before it builds.
#[derive(Clone, Copy)]
enum Change {
    /// Everything is elsewhere, so that the engine has none of it.
    All,
    /// One file.
    One,
    Nothing,
}

pub(crate) fn builds(bench: &Bench) -> Outcome<()> {
    let Some(docker) = docker(bench)? else {
        println!("no docker command that builds with BuildKit: no builds are measured");
        return Ok(());
    };
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut trees = Trees { home: home.path().to_owned(), number: 0, paths: Default::default() };
    for (change, name, runs) in [
        (Change::All, "all sent", bench.runs(5)),
        (Change::One, "one file changed", bench.runs(9)),
        (Change::Nothing, "unchanged", bench.runs(9)),
    ] {
        let mut time = Row::new(format!("build, {name}"), "ms", Judged::Ratio(1.0));
        let mut memory = Row::new(format!("build, {name}: memory"), "MiB", Judged::Ratio(1.0));
        for number in 0..runs {
            for side in Side::turn(number) {
                let tree = trees.prepare(side, change)?;
                let command = match side {
                    Side::Raw => {
                        let mut command = Command::new(&docker);
                        command.env("DOCKER_BUILDKIT", "1").env("DOCKER_HOST", host(bench)?);
                        command.args(["build", "--quiet", "--tag", &format!("{NAME}-cli")]);
                        command.arg(tree);
                        command
                    }
                    Side::Castoff => {
                        child::command(bench, json!({ "case": "build", "path": tree }))?
                    }
                };
                let (took, peak) = measured(command)?;
                let (raw, castoff) = side.of(took.as_secs_f64() * 1000.0);
                time.add(raw, castoff);
                let (raw, castoff) = side.of(peak);
                memory.add(raw, castoff);
            }
        }
        bench.done(&time)?;
        bench.done(&memory)?;
    }
    for name in ["cli", "castoff"] {
        let path = format!("{NAME}-{name}");
        Command::new(&docker).args(["rmi", &path]).env("DOCKER_HOST", host(bench)?).output()?;
    }
    Ok(())
}

/// castoff's side.
pub(crate) async fn child(role: &Value) -> Outcome<()> {
    let engine = Engine::connect().await?;
    let path = role["path"].as_str().ok_or("no path")?;
    let name = format!("{NAME}-castoff");
    drop(Image::builder(path).with_engine(&engine).with_name(name).build().await?);
    Ok(())
}

/// A command line with BuildKit in it, or with the plugin that has it.
fn docker(bench: &Bench) -> Outcome<Option<PathBuf>> {
    let empty = tempfile::tempdir()?;
    fs::write(empty.path().join("Dockerfile"), format!("FROM {BUSYBOX}\n"))?;
    for program in ["docker", "/usr/bin/docker"] {
        let mut build = Command::new(program);
        build.args(["build", "--quiet"]).arg(empty.path());
        build.env("DOCKER_BUILDKIT", "1").env("DOCKER_HOST", host(bench)?);
        if build.output().is_ok_and(|output| output.status.success()) {
            return Ok(Some(program.into()));
        }
    }
    Ok(None)
}

fn host(bench: &Bench) -> Outcome<String> {
    let socket = bench.engine.endpoint().socket().ok_or("no socket")?;
    Ok(format!("unix://{}", socket.display()))
}

/// How long a process lives, and the most memory that it has at once.
fn measured(mut command: Command) -> Outcome<(Duration, f64)> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut peak = 0.0;
    // (Its peak is gone with the process, and nothing tells before it goes.)
    while child.try_wait()?.is_none() {
        peak = f64::max(peak, high_water(&child));
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok((took, peak))
}

fn high_water(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

struct Trees {
    home: PathBuf,
    number: usize,
    /// Each side's own.
    paths: [Option<PathBuf>; 2],
}

impl Trees {
    fn prepare(&mut self, side: Side, change: Change) -> Outcome<PathBuf> {
        self.number += 1;
        let own = usize::from(side == Side::Castoff);
        let fresh = matches!(change, Change::All) || self.paths[own].is_none();
        if fresh {
            let path = self.home.join(format!("tree-{}", self.number));
            plant(&path, self.number)?;
            if let Some(old) = self.paths[own].replace(path) {
                fs::remove_dir_all(old)?;
            }
        }
        let path = self.paths[own].clone().ok_or("no tree")?;
        if !matches!(change, Change::Nothing) {
            fs::write(path.join("stamp"), format!("{}", self.number))?;
        }
        Ok(path)
    }
}

/// 100 folders of 100 files of 10,000 bytes; the same for both sides but for a few bytes each.
fn plant(path: &Path, seed: usize) -> Outcome<()> {
    let mut bytes = vec![0u8; FILE_BYTES];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed as u64;
    for number in 0..FILES {
        for chunk in bytes.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_ne_bytes()[..chunk.len()]);
        }
        let folder = path.join(format!("folder-{:02}", number % 100));
        if number < 100 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("file-{number}")), &bytes)?;
    }
    let step = "RUN --mount=type=bind,target=/context test -e /context/stamp";
    fs::write(path.join("Dockerfile"), format!("FROM {BUSYBOX}\n{step}\n"))?;
    Ok(())
}

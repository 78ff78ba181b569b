//! The corpus of Dockerfiles on an engine: a file that castoff has read and written builds the same
//! image.
//!
//! The classic builder is the judge: a step with the same meaning comes from its cache, so an equal
//! file results in the same image. `cargo xtask dockerfiles` runs all files, a normal run every
//! twenty-fourth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use castoff::dockerfile::{Dockerfile, Instruction};
use serde_json::Value;

use crate::differences;
use crate::raw::Raw;
use crate::support::engine;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles")
}

/// The classic builder, without castoff.
struct Judge {
    raw: Raw,
    /// Its images, to be removed.
    made: BTreeSet<String>,
}

impl Judge {
    /// Returns the image's id, or the builder's error.
    fn build(&mut self, text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile.judged"), text).unwrap();
        let context = corpus().join("context");
        let tar = Command::new("tar")
            .args(["--create", "--file=-", "--directory"])
            .arg(&context)
            .arg(".")
            .arg("--directory")
            .arg(folder.path())
            .arg("Dockerfile.judged")
            .output()
            .unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let path = "/build?dockerfile=Dockerfile.judged&rm=1&forcerm=1&version=1";
        let (_, answer) = self.raw.send("POST", path, "application/x-tar", &tar.stdout);
        let Value::String(answer) = answer else { return Err(answer.to_string()) };
        let mut built = Err("no image".to_owned());
        for line in answer.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let Some(error) = line["error"].as_str() {
                return Err(error.to_owned());
            }
            if let Some(id) = line["aux"]["ID"].as_str() {
                built = Ok(id.to_owned());
            }
            let step = line["stream"].as_str().and_then(|text| text.strip_prefix(" ---> "));
            if let Some(id) = step.map(str::trim).filter(|id| id.len() == 12) {
                self.made.insert(id.to_owned());
            }
        }
        built
    }

    /// Returns the configuration, with the meaning of triggers in place of their text.
    fn config(&self, image: &str) -> Value {
        let (status, mut details) = self.raw.call("GET", &format!("/images/{image}/json"), None);
        assert_eq!(status, 200, "{details}");
        let triggers = details["Config"]["OnBuild"].take();
        let triggers = triggers.as_array().into_iter().flatten().filter_map(Value::as_str);
        let read = |trigger: &str| -> Vec<Instruction> {
            let file = Dockerfile::parse(&format!("FROM scratch\n{trigger}\n")).dockerfile;
            file.stages[0].instructions.clone()
        };
        let triggers: Vec<String> = triggers.map(|text| format!("{:?}", read(text))).collect();
        details["Config"]["OnBuild"] = triggers.into();
        // The parent of the last step differs, and so do layers of repeated steps.
        details["Config"]["Image"].take();
        let layers = details["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
        serde_json::json!([details["Config"], layers, details["Os"], details["Author"]])
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // An image can be removed after those that are based on it; named images do not belong to
        // these tests.
        loop {
            let before = self.made.len();
            let raw = self.raw.clone();
            self.made.retain(|id| {
                let (status, details) = raw.call("GET", &format!("/images/{id}/json"), None);
                let named = details["RepoTags"].as_array().is_some_and(|tags| !tags.is_empty());
                status == 200 && !named && {
                    let path = format!("/images/{id}?noprune=1");
                    raw.call("DELETE", &path, None).0 == 409
                }
            });
            if self.made.len() == before {
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_is_read_and_written_builds_the_same_image() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    if differences::is_podman(&engine) || differences::has_containerd_store(&raw) {
        return;
    }
    let every = if std::env::var_os("CASTOFF_TEST_DOCKERFILES").is_some() { 1 } else { 24 };
    let mut judge = Judge { raw, made: BTreeSet::new() };
    let mut files: Vec<_> = std::fs::read_dir(corpus().join("accepted"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let (mut same, mut equal, mut problems) = (0, 0, Vec::new());
    for file in files.iter().step_by(every) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let written = Dockerfile::parse(&text).into_dockerfile().unwrap().render().unwrap();
        match (judge.build(&text), judge.build(&written)) {
            (Ok(one), Ok(other)) if one == other => same += 1,
            (Ok(one), Ok(other)) if judge.config(&one) == judge.config(&other) => equal += 1,
            (Ok(one), Ok(other)) => {
                let (one, other) = (judge.config(&one), judge.config(&other));
                problems.push(format!("{name}:\n{one}\n{other}\n{written}"));
            }
            (one, other) => problems.push(format!("{name}: {one:?} {other:?}\n{written}")),
        }
    }
    println!("{same} files give the same image, {equal} an equal one, {} another", problems.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(same + equal >= 300 / every);
}

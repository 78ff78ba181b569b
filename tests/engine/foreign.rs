//! Resources that others make from castoff's containers: they have its labels, but are not
//! castoff's.

use std::io::Write;

use castoff::config::Config;
use castoff::{Container, Engine};
use serde_json::json;

use crate::children::{Running, token_of, told};
use crate::differences;
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, engine, sleeper, unique};

const LABEL: &str = "CASTOFF_TEST_LABEL";
const ENTRY: &str = "foreign::child_process_entry";

/// Holds two containers, one with a name of the user's, and makes a container of a given image.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_process_entry() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let held = sleeper().start().await.unwrap();
    let named = sleeper().with_name(format!("{label}-named")).start().await.unwrap();
    println!("\nholds: {} {}", held.name(), held.id());
    std::io::stdout().flush().unwrap();
    told();
    let image = format!("castoff.test/{label}:1");
    let again = Container::builder(image).with_command(["sleep", "3600"]).start().await.unwrap();
    println!("\nagain: {}", again.id());
    std::io::stdout().flush().unwrap();
    told();
    drop((held, named, again));
}

/// An image that somebody else committed from a container, and their container of it.
struct Theirs {
    container: Foreign,
    image: Foreign,
}

impl Theirs {
    fn of(raw: &Raw, container: &str, label: &str) -> Theirs {
        let path = format!("/commit?container={container}&repo=castoff.test/{label}&tag=1");
        let (status, answer) = raw.call("POST", &path, Some(&json!({})));
        assert_eq!(status, 201, "{answer}");
        let name = format!("castoff.test/{label}:1");
        let image = Foreign::adopt(raw, format!("images/{name}"));
        let container = raw.foreign_container_of(&name, &format!("{label}-theirs"));
        let labels = raw.inspect(&format!("containers/{label}-theirs")).unwrap();
        let labels = labels["Config"]["Labels"].as_object().cloned().unwrap_or_default();
        assert!(labels.contains_key("castoff.owner"), "else this shows nothing: {labels:?}");
        Theirs { container, image }
    }

    fn stay(&self) {
        assert!(self.container.exists() && self.image.exists());
    }
}

/// Starts a program that holds containers; one of them is renamed by the user.
fn holder(raw: &Raw, label: &str) -> (Running, String, Theirs, Vec<String>) {
    let mut child = Running::start(ENTRY, &[(LABEL, label)]);
    let said = child.says("holds: ");
    let (name, id) = said.split_once(' ').unwrap();
    let theirs = Theirs::of(raw, id, label);
    let renamed = format!("/containers/{id}/rename?name={label}-renamed");
    assert_eq!(raw.call("POST", &renamed, None).0, 204);
    child.tell();
    let again = child.says("again: ");
    let ours = [id, &format!("{label}-named"), &again].map(|one| format!("containers/{one}"));
    (child, name.to_owned(), theirs, ours.into())
}

/// Returns an image as a commit leaves it that is interrupted before it has a name, and one that
/// somebody else made from an image of castoff's, for a program that holds that.
fn nameless(raw: &Raw, image: &str) -> (String, Foreign) {
    let labels = raw.inspect(&format!("images/{image}")).unwrap();
    let mut labels = labels["Config"]["Labels"].clone();
    labels["castoff.image.resource"] = json!(unique("cut-off"));
    let commit = |container: &Foreign, body| {
        let path = format!("/commit?container={}", container.name());
        let (status, answer) = raw.call("POST", &path, Some(&body));
        assert_eq!(status, 201, "{answer}");
        format!("images/{}", answer["Id"].as_str().unwrap())
    };
    let cut_off = commit(&raw.foreign_container(&unique("base")), json!({ "Labels": labels }));
    let of_theirs = raw.foreign_container_of(image, &unique("theirs"));
    let theirs = Foreign::adopt(raw, commit(&of_theirs, json!({})));
    (cut_off, theirs)
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_commit_that_was_cut_off_left_goes_and_what_others_committed_stays() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    for by_a_sweep in [false, true] {
        let label = unique("cut");
        let mut child = Running::start("sweep::child_process_entry", &[(LABEL, &label)]);
        let said = child.says("holds: ");
        let words: Vec<&str> = said.split(' ').collect();
        let _kept = Foreign::adopt(&raw, format!("containers/{}", words[1]));
        let (cut_off, theirs) = nameless(&raw, words[2]);
        if by_a_sweep {
            child.kill_with_guardian(token_of(words[0]));
            // Their image keeps the image that it was made from.
            let _ = engine.sweep().await;
        } else {
            child.kill();
        }
        raw.until_gone(&cut_off);
        raw.until_none(&format!("test.sweep={label}"), PATIENCE);
        // On Podman it can't be distinguished from an intermediate image of a build.
        assert!(theirs.exists() || differences::is_podman(&engine));
        drop(theirs);
        engine.sweep().await.unwrap();
        raw.until_gone(&format!("images/{}", words[2]));
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_others_made_of_a_killed_programs_containers_stays() {
    let raw = Raw::of(&engine().await);
    let (child, _, theirs, ours) = holder(&raw, &unique("killed"));
    child.kill();
    ours.iter().for_each(|one| raw.until_gone(one));
    theirs.stay();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_others_made_stays_when_the_next_program_sweeps() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let (child, name, theirs, ours) = holder(&raw, &unique("swept"));
    child.kill_with_guardian(token_of(&name));
    assert!(ours.iter().all(|one| raw.inspect(one).is_some()), "nobody is left to remove it");
    engine.sweep().await.unwrap();
    ours.iter().for_each(|one| raw.until_gone(one));
    theirs.stay();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_others_made_of_what_is_kept_or_dropped_stays() {
    // A separate state directory, since pruning removes everything that was kept in one.
    let state = tempfile::tempdir().unwrap();
    let mut config = Config::from_env();
    config.state_dir = Some(state.path().into());
    let engine = Engine::connect_with(config).await.unwrap();
    let raw = Raw::of(&engine);
    let start = || sleeper().with_engine(&engine).start();
    let (kept, dropped) = (start().await.unwrap(), start().await.unwrap());
    let of_kept = Theirs::of(&raw, kept.id(), &unique("kept"));
    let of_dropped = Theirs::of(&raw, dropped.id(), &unique("dropped"));
    let [kept_at, dropped_at] = [&kept, &dropped].map(|one| format!("containers/{}", one.id()));
    drop(kept.keep());
    drop(dropped);
    raw.until_gone(&dropped_at);
    engine.remove_kept().await.unwrap();
    raw.until_gone(&kept_at);
    of_kept.stay();
    of_dropped.stay();
}

#[cfg(feature = "unstable-bollard")]
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_raw_edit_that_replaces_the_labels_leaves_it_owned() {
    let raw = Raw::of(&engine().await);
    let mine = unique("raw");
    let label = mine.clone();
    let container = sleeper()
        .with_raw(move |body| body.labels = Some([("mine".to_owned(), label.clone())].into()))
        .start()
        .await
        .unwrap();
    let path = format!("containers/{}", container.id());
    let labels = raw.inspect(&path).unwrap()["Config"]["Labels"].clone();
    assert_eq!(labels["mine"], json!(mine));
    assert!(labels["castoff.owner"].is_string() && labels["castoff.resource"].is_string());
    drop(container);
    raw.until_gone(&path);
}

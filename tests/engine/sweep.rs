//! Resources left by a program and its guardian, both killed: the next program removes them.

use std::io::Write;

use castoff::{Container, Network, Reaper, Volume};

use crate::children::{Running, token_of, told};
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, engine, eventually, sleeper, unique};

const LABEL: &str = "CASTOFF_TEST_LABEL";
const ENTRY: &str = "sweep::child_process_entry";

/// Holds one resource of each kind and keeps a container; without a label, only inspects the
/// engine.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_process_entry() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let engine = engine().await;
    let label = ("test.sweep", label.as_str());
    let net = Network::builder().with_label(label.0, label.1).create().await.unwrap();
    let volume = Volume::builder().with_label(label.0, label.1).create().await.unwrap();
    let start = || sleeper().with_label(label.0, label.1);
    let held = start().with_network(&net, "a").with_volume(&volume, "/v").start().await.unwrap();
    let shared = start().shared_as(label.1).await.unwrap();
    let image = shared.commit(format!("castoff.test/{}:1", label.1)).await.unwrap();
    let kept = sleeper().with_label("test.kept", label.1).start().await.unwrap().keep();
    assert_eq!(engine.reaper(), Reaper::Guardian);
    println!("\nholds: {} {kept} {}", held.name(), image.id());
    std::io::stdout().flush().unwrap();
    told();
    drop((held, shared, image));
}

struct Left {
    child: Running,
    name: String,
    kept: Foreign,
    image: String,
}

fn holder(raw: &Raw, label: &str) -> Left {
    let mut child = Running::start(ENTRY, &[(LABEL, label)]);
    let said = child.says("holds: ");
    let words: Vec<&str> = said.split(' ').collect();
    let [name, kept, image] = words.as_slice() else { panic!("{said}") };
    let kept = Foreign::adopt(raw, format!("containers/{kept}"));
    Left { child, name: (*name).to_owned(), kept, image: format!("images/{image}") }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn leftovers_of_the_dead_go_and_nothing_else_does() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let (dead, living) = (unique("dead"), unique("living"));
    let foreign = raw.foreign_container(&unique("foreign"));
    let Left { child, name, kept, image } = holder(&raw, &dead);
    let mut sibling = holder(&raw, &living);
    // Somebody else may make a container from an image that castoff made from one of its own.
    let inherits = raw.foreign_container_of(&sibling.image, &unique("inherits"));
    let owner = || raw.inspect(&format!("containers/{name}")).unwrap();
    let owner = owner()["Config"]["Labels"]["castoff.owner"].as_str().unwrap().to_owned();
    let [dead, living] = [dead, living].map(|label| format!("test.sweep={label}"));
    child.kill_with_guardian(token_of(&name));
    assert_eq!(raw.count(&dead), 4, "nobody is left to remove it");
    assert!(raw.inspect(&image).is_some());

    // Several begin at the same time, as under nextest.
    let label = unique("next");
    let mut next: Vec<_> = (0..3).map(|_| holder(&raw, &label)).collect();
    raw.until_none(&dead, PATIENCE);
    raw.until_gone(&image);
    assert!(
        raw.labelled("containers", &format!("castoff.owner={owner}")).len() == 1,
        "the kept one"
    );
    assert!(inherits.exists());
    drop(inherits);
    assert!(kept.exists() && sibling.kept.exists() && foreign.exists());
    assert_eq!(raw.count(&living), 4, "the living are left alone");
    assert!(raw.inspect(&sibling.image).is_some());
    for left in next.iter_mut().chain([&mut sibling]) {
        left.child.tell();
        assert!(left.child.wait().success());
    }
    raw.until_none(&living, PATIENCE);
    raw.until_none(&format!("test.sweep={label}"), PATIENCE);
    // All three gave their images the same name, which only the last one still has.
    let images = async || raw.labelled("images", &format!("test.sweep={label}")).is_empty();
    eventually("the images go", images).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_sweep_that_ended_halfway_left_goes_without_a_further_program() {
    let raw = Raw::of(&engine().await);
    let home = tempfile::tempdir().unwrap();
    let state = home.path().to_str().unwrap();
    let [dead, next] = [unique("dead"), unique("next")];
    let start =
        |label: &str| Running::start(ENTRY, &[(LABEL, label), ("CASTOFF_STATE_DIR", state)]);
    let mut child = start(&dead);
    let said = child.says("holds: ");
    let words: Vec<&str> = said.split(' ').collect();
    let kept = Foreign::adopt(&raw, format!("containers/{}", words[1]));
    child.kill_with_guardian(token_of(words[0]));

    // Like a sweep that another program has begun: it has the lock, and has recorded that.
    let files = std::fs::read_dir(home.path().join("castoff/sessions")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let file = files.find(|path| path.to_string_lossy().contains(token_of(words[0]))).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file.write_all(b"swept\n").unwrap();
    let mut next_child = start(&next);
    let said = next_child.says("holds: ");
    let kept_by_next = said.split(' ').nth(1).unwrap();
    let kept_by_next = Foreign::adopt(&raw, format!("containers/{kept_by_next}"));
    let dead = format!("test.sweep={dead}");
    assert!(raw.count(&dead) >= 3, "the other sweep is at all but what was shared");
    drop(file);
    // It looks every ten seconds by now, and an engine that is busy takes some for each list.
    raw.until_none(&dead, 3 * PATIENCE);
    raw.until_gone(&format!("images/{}", words[2]));
    next_child.tell();
    assert!(next_child.wait().success());
    assert!(kept.exists() && kept_by_next.exists());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_guardian_that_is_killed_is_replaced() {
    let raw = Raw::of(&engine().await);
    let label = unique("replaced");
    let mut child = Running::start("sweep::child_without_a_guardian", &[(LABEL, &label)]);
    let token = child.says("token: ");
    let guardian = crate::children::guardian_of(&token).unwrap();
    rustix::process::kill_process(guardian, rustix::process::Signal::KILL).unwrap();
    child.tell();
    child.says("holds");
    let kept = Foreign::adopt(&raw, format!("containers/{}", child.says("kept: ")));
    child.kill();
    raw.until_none(&format!("test.sweep={label}"), PATIENCE);
    assert!(kept.exists(), "the new one knows what is to be kept");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_without_a_guardian() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let start = || sleeper().with_label("test.sweep", &label).start();
    let kept = sleeper().start().await.unwrap();
    println!("\ntoken: {}", token_of(kept.name()));
    let kept = kept.keep();
    told();
    let held: Vec<Container> = vec![start().await.unwrap(), start().await.unwrap()];
    println!("\nholds\nkept: {kept}");
    std::io::stdout().flush().unwrap();
    told();
    drop(held);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_engine_by_two_paths_is_guarded_by_both() {
    let engine = engine().await;
    let (raw, label) = (Raw::of(&engine), unique("paths"));
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("link.sock");
    std::os::unix::fs::symlink(engine.endpoint().socket().unwrap(), &link).unwrap();
    let variables = [(LABEL, label.as_str()), ("CASTOFF_TEST_LINK", link.to_str().unwrap())];
    let mut child = Running::start("sweep::child_by_two_paths", &variables);
    child.says("holds");
    let label = format!("test.sweep={label}");
    assert_eq!(raw.count(&label), 2);
    child.kill();
    raw.until_none(&label, PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_by_two_paths() {
    let (Ok(label), Ok(link)) = (std::env::var(LABEL), std::env::var("CASTOFF_TEST_LINK")) else {
        return;
    };
    let link = castoff::Engine::connect_to(&link).await.unwrap();
    let start = || sleeper().with_label("test.sweep", &label);
    let held = (start().start().await.unwrap(), start().with_engine(&link).start().await.unwrap());
    println!("\nholds");
    std::io::stdout().flush().unwrap();
    told();
    drop(held);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_was_kept_when_nothing_else_was_held_is_kept_by_a_sweep() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let label = unique("kept-first");
    let mut child = Running::start("sweep::child_without_a_guardian", &[(LABEL, &label)]);
    let token = child.says("token: ");
    child.tell();
    child.says("holds");
    let kept = Foreign::adopt(&raw, format!("containers/{}", child.says("kept: ")));
    child.kill_with_guardian(&token);
    let label = format!("test.sweep={label}");
    assert_eq!(raw.count(&label), 2);
    // It covers all dead sessions of this place, including those that others have killed.
    if let Err(error) = engine.sweep().await {
        println!("of somebody else's: {error:?}");
    }
    raw.until_none(&label, PATIENCE);
    assert!(kept.exists());
}

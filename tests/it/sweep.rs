//! The requests of a sweep, and the resources that it leaves alone.

use std::path::PathBuf;
use std::time::Duration;

use castoff::{Network, Volume};
use serde_json::json;

use crate::fake::FakeEngine;
use crate::support::{app, foreign_container, guarded, running, setup};

/// The token of a dead session.
const DEAD: &str = "dead00dead";

/// Returns this state directory's name, and the file of a dead session in it.
fn dead_session(fake: &FakeEngine) -> (String, PathBuf) {
    let state = fake.state_dir().join("castoff");
    let only = |part: &str| {
        let mut names = std::fs::read_dir(state.join(part)).unwrap().flatten();
        let mut names = names.by_ref().map(|entry| entry.file_name().into_string().unwrap());
        names.find(|name| !name.starts_with('.')).unwrap()
    };
    let (place, own) = (only("place"), only("sessions"));
    let (engine, _) = own.split_once('-').unwrap();
    (place, state.join("sessions").join(format!("{engine}-{DEAD}.lock")))
}

/// Creates a container like castoff's own, of the process in the labels.
fn made(fake: &FakeEngine, name: &str, labels: &serde_json::Value) -> String {
    let mut labels = labels.clone();
    labels["castoff.resource"] = json!(name);
    foreign_container(fake, name, &labels)
}

#[tokio::test]
async fn one_list_call_for_each_kind_and_none_when_nothing_was_left() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    fake.clear_requests();
    engine.sweep().await.unwrap();
    assert!(fake.calls().is_empty(), "{:?}", fake.calls());

    // Clean: its process recorded that before it died.
    std::fs::write(&file, "").unwrap();
    engine.sweep().await.unwrap();
    assert!(fake.calls().is_empty() && !file.exists());

    // The file of an engine that has been unused for long, and of one in use.
    let [old, new] = ["00000000000000aa", "00000000000000bb"].map(|engine| {
        let other = file.with_file_name(format!("{engine}-{DEAD}.lock"));
        std::fs::write(&other, "owned\n").unwrap();
        other
    });
    let months_ago = std::time::SystemTime::now() - Duration::from_secs(60 * 24 * 60 * 60);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(months_ago).unwrap();
    engine.sweep().await.unwrap();
    assert!(fake.calls().is_empty() && old.exists() && new.exists());

    let labels = |owner: &str| json!({ "castoff.session": "s", "castoff.owner": owner });
    let dead = format!("{place}.1.2.{DEAD}");
    let left = made(&fake, "left", &labels(&dead));
    let kept = made(&fake, "kept", &labels(&dead));
    let theirs = made(&fake, "theirs", &labels("elsewhere.1.2.0123456789"));
    let shared = made(&fake, "shared", &json!({ "castoff.session": "s", "castoff.shared": "k-g" }));
    std::fs::write(&file, format!("owned\nkeep container {kept}\n")).unwrap();
    fake.clear_requests();
    let swept = engine.sweep().await.unwrap();
    assert_eq!((swept.containers, swept.networks, swept.volumes, swept.images), (1, 0, 0, 0));
    let mut calls = fake.calls();
    calls.sort();
    let mut wanted = vec![
        "DELETE /containers/{id}".to_owned(),
        "GET /containers/json".into(),
        "GET /images/json".into(),
        // Lists the images with a container's labels, as there is one to remove.
        "GET /images/json".into(),
        "GET /networks".into(),
        "GET /volumes".into(),
    ];
    wanted.sort();
    assert_eq!(calls, wanted);
    assert!(!file.exists());
    let names: Vec<_> = fake.containers().into_iter().map(|container| container.id).collect();
    assert!(!names.contains(&left));
    assert!([kept, theirs, shared].iter().all(|id| names.contains(id)));
}

#[tokio::test]
async fn what_an_engine_makes_late_of_a_dead_sessions_call_is_looked_for() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    std::fs::write(&file, "owned\ncreating 000001\n").unwrap();
    assert_eq!(engine.sweep().await.unwrap().containers, 0);
    let labels = json!({ "castoff.session": "s", "castoff.owner": format!("{place}.1.2.{DEAD}") });
    let late = made(&fake, "late", &labels);
    fake.until(|state| !state.containers.iter().any(|one| one.id == late)).await;
    assert!(file.exists(), "more may come");
}

#[tokio::test]
async fn what_an_engine_makes_late_to_be_shared_is_looked_for() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (_, session) = dead_session(&fake);
    let (_, lease) = dead_lease(&fake, &session);
    std::fs::write(&lease, "making k-half 1\n").unwrap();
    engine.sweep().await.unwrap();
    let late = |name: &str, value: &str| {
        made(&fake, name, &json!({ "castoff.session": "s", "castoff.shared": value }))
    };
    let half = late("half", "k-half");
    fake.until(|state| !state.containers.iter().any(|one| one.id == half)).await;
    assert!(lease.exists(), "more may come");

    // Another process creates it now, and records what the previous one may have left.
    let config = engine.config().clone();
    let made = app(&engine).shared().await.unwrap();
    let key = made.inspect().await.unwrap().labels["castoff.shared"].clone();
    let leases = config.state_dir.unwrap().join("castoff/leases");
    let names = || std::fs::read_dir(&leases).unwrap().flatten().map(|file| file.path());
    let key = key.rsplit_once('-').unwrap().0.to_owned();
    let file = names().find(|path| path.to_str().unwrap().ends_with(&key)).unwrap();
    made.remove().await.unwrap();
    std::fs::write(&file, "making k-dead 1\n").unwrap();
    let anew = app(&engine).shared().await.unwrap();
    let notes = || names().filter(|path| path.to_str().unwrap().contains(".late-")).count();
    assert_eq!(notes(), 1);
    engine.sweep().await.unwrap();
    let dead = late("dead", "k-dead");
    fake.until(|state| !state.containers.iter().any(|one| one.id == dead)).await;
    assert!(fake.containers().iter().any(|one| one.id == anew.id()) && notes() == 1);
}

#[tokio::test]
async fn what_can_not_be_removed_is_for_the_next_one() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    let dead = format!("{place}.1.2.{DEAD}");
    let labels = json!({ "castoff.session": "s", "castoff.owner": dead });
    let left = made(&fake, "left", &labels);
    std::fs::write(&file, "owned\n").unwrap();
    fake.on("DELETE", &format!("/containers/{left}")).fail(400, "not today");
    engine.sweep().await.unwrap_err();
    assert!(file.exists());
    fake.clear_rules();
    assert_eq!(engine.sweep().await.unwrap().containers, 1);
    assert!(!file.exists());
}

#[tokio::test]
async fn under_another_name_and_without_its_image_nobody_can_say_whose_it_is() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    let labels = |resource: &str| {
        json!({ "castoff.session": "s", "castoff.resource": resource,
        "castoff.owner": format!("{place}.1.2.{DEAD}") })
    };
    let named = foreign_container(&fake, "r-1", &labels("r-1"));
    let other = foreign_container(&fake, "other", &labels("r-2"));
    std::fs::write(&file, "owned\n").unwrap();
    let there = |id: &str| fake.containers().iter().any(|container| container.id == id);
    let image = fake.containers().into_iter().find(|one| one.id == other).unwrap().image_id;
    fake.on("GET", &format!("/images/{image}/json")).times(1).fail(404, "No such image");
    assert_eq!(engine.sweep().await.unwrap().containers, 1);
    assert!(!there(&named) && there(&other));
    // If its image exists without that label, the container is castoff's, under any name.
    std::fs::write(&file, "owned\n").unwrap();
    assert_eq!(engine.sweep().await.unwrap().containers, 1);
    assert!(!there(&other));
}

/// Returns a lease whose users are all dead, and its resource.
fn dead_lease(fake: &FakeEngine, session: &std::path::Path) -> (String, PathBuf) {
    let labels = json!({ "castoff.session": "s", "castoff.shared": "k-g" });
    let shared = made(fake, "shared", &labels);
    let session = session.file_name().unwrap().to_str().unwrap();
    let (engine, _) = session.split_once('-').unwrap();
    let leases = fake.state_dir().join("castoff/leases");
    let file = leases.join(format!("{engine}-c-k"));
    std::fs::write(&file, format!("ready k-g {shared} n w\n")).unwrap();
    (shared, file)
}

#[tokio::test]
async fn one_stuck_resource_keeps_neither_other_sessions_nor_leases_from_being_swept() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    let other = file
        .with_file_name(file.file_name().unwrap().to_str().unwrap().replace(DEAD, "dead00feed"));
    let labels = |token: &str| json!({ "castoff.session": "s", "castoff.owner": format!("{place}.1.2.{token}") });
    let stuck = made(&fake, "stuck", &labels(DEAD));
    let left = made(&fake, "left", &labels("dead00feed"));
    let (shared, lease) = dead_lease(&fake, &file);
    for session in [&file, &other] {
        std::fs::write(session, "owned\n").unwrap();
    }
    fake.on("DELETE", &format!("/containers/{stuck}")).fail(400, "not today");
    engine.sweep().await.unwrap_err();
    let names: Vec<_> = fake.containers().into_iter().map(|container| container.id).collect();
    assert!(names.contains(&stuck) && !names.contains(&left) && !names.contains(&shared));
    assert!(file.exists() && !other.exists() && !lease.exists());
}

#[tokio::test]
async fn an_engine_that_does_not_answer_a_list_blocks_no_start() {
    let (fake, engine) = guarded().await;
    drop(running(&engine).await);
    let (place, file) = dead_session(&fake);
    let labels = json!({ "castoff.session": "s", "castoff.owner": format!("{place}.1.2.{DEAD}") });
    let left = made(&fake, "left", &labels);
    std::fs::write(&file, "owned\n").unwrap();
    let list = fake.on("GET", "/networks").times(1).gate();
    // Another spelling of the state directory makes this the first start there.
    let mut config = engine.config().clone();
    config.state_dir = Some(fake.state_dir().join("castoff").join(".."));
    let engine = castoff::Engine::connect_with(config).await.unwrap();
    let started = running(&engine).await;
    let there = |id: &str| fake.containers().iter().any(|container| container.id == id);
    assert!(list.arrivals() == 1 && there(started.id()) && there(&left));
    list.release();
    // The sweep continues on its own.
    fake.until(|state| state.containers.iter().all(|container| container.id != left)).await;
}

#[tokio::test]
async fn what_is_strange_in_the_state_directory_is_in_nobodys_way() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    running(&engine).await.keep();
    let (place, file) = dead_session(&fake);
    let owned_by = |token: &str| json!({ "castoff.session": "s", "castoff.owner": format!("{place}.1.2.{token}") });
    let unclear = made(&fake, "unclear", &owned_by("dead00feed"));
    for odd in ["stray", ".hidden", "a-b-c.lock"] {
        std::fs::create_dir(file.with_file_name(odd)).unwrap();
    }
    std::fs::create_dir(file.to_str().unwrap().replace(DEAD, "dead00feed")).unwrap();
    std::fs::create_dir(fake.state_dir().join("castoff/leases/stray")).unwrap();
    engine.sweep().await.unwrap();
    assert_eq!(engine.remove_kept().await.unwrap().containers, 1);
    let names: Vec<_> = fake.containers().into_iter().map(|container| container.id).collect();
    assert!(names.contains(&unclear), "whose lock can't be judged may live");
}

#[tokio::test]
async fn init_once_leaves_no_file_when_its_lease_is_swept() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (_, file) = dead_session(&fake);
    let (_, lease) = dead_lease(&fake, &file);
    let done = PathBuf::from(format!("{}.once-0123456789abcdef", lease.display()));
    std::fs::write(&done, "done\n").unwrap();
    engine.sweep().await.unwrap();
    assert!(!lease.exists() && !done.exists());
}

#[tokio::test]
async fn a_lock_that_is_held_is_a_session_that_lives() {
    let (fake, engine) = guarded().await;
    let _living = running(&engine).await;
    let (place, file) = dead_session(&fake);
    let labels = json!({ "castoff.session": "s", "castoff.owner": format!("{place}.1.2.{DEAD}") });
    made(&fake, "theirs", &labels);
    std::fs::write(&file, "owned\n").unwrap();
    let held = std::fs::File::open(&file).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    fake.clear_requests();
    engine.sweep().await.unwrap();
    assert!(fake.calls().is_empty());
    // Pruning uses labels, but leaves resources in use alone.
    assert_eq!(engine.remove_kept().await.unwrap().containers, 0);
    drop(held);
    assert_eq!(engine.sweep().await.unwrap().containers, 1);
}

#[tokio::test]
async fn what_was_kept_here_is_pruned_and_nothing_else() {
    let (fake, engine) = guarded().await;
    let living = running(&engine).await;
    let kept = running(&engine).await.keep();
    let net = Network::builder().with_engine(&engine).create().await.unwrap().keep();
    let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
    let elsewhere = json!({ "castoff.session": "s", "castoff.owner": "elsewhere.1.2.0123456789" });
    made(&fake, "theirs", &elsewhere);
    let pruned = engine.remove_kept().await.unwrap();
    assert_eq!((pruned.containers, pruned.networks, pruned.volumes), (1, 1, 0));
    let names: Vec<_> = fake.containers().into_iter().map(|container| container.name).collect();
    assert!(names.contains(&living.name().to_owned()) && names.contains(&"theirs".to_owned()));
    assert!(!names.contains(&kept));
    assert!(fake.networks().iter().all(|network| network.name != net));
    assert!(fake.volumes().iter().any(|one| one.name == volume.name()));
}

#[tokio::test]
async fn a_session_of_a_name_is_in_names_and_labels() {
    let (fake, engine) = setup().await;
    let mut config = engine.config().clone();
    config.session = Some("ci-7".into());
    let engine = castoff::Engine::connect_with(config.clone()).await.unwrap();
    let container = app(&engine).start().await.unwrap();
    assert!(container.name().starts_with("castoff-ci-7-"), "{}", container.name());
    assert_eq!(fake.containers()[0].labels["castoff.session"], "ci-7");
    config.session = Some("not a name".into());
    let error = castoff::Engine::connect_with(config).await.unwrap_err();
    assert_eq!(error.kind(), castoff::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_late_attempt_does_not_take_the_share_of_the_one_that_came_after_it() {
    let (fake, engine) = guarded().await;
    let mut config = engine.config().clone();
    config.linger = Some(Duration::ZERO);
    let engine = castoff::Engine::connect_with(config).await.unwrap();
    let late = fake.on("POST", "/containers/create").times(1).gate();
    let limit = Duration::from_millis(300);
    let one = app(&engine).with_startup_timeout(limit).with_startup_attempts(2).shared();
    let container = one.await.unwrap();
    fake.clear_requests();
    late.release();
    let gone = |state: &crate::fake::State| {
        state.requests.iter().any(|request| request.method == "DELETE")
            && state.containers.len() == 1
    };
    fake.wait_until(gone, crate::support::LONG);
    assert_eq!(fake.containers()[0].id, container.id());
    assert_eq!(app(&engine).shared().await.unwrap().id(), container.id());
}

#[tokio::test]
async fn what_is_shared_and_lingers_is_in_nobodys_way() {
    let (fake, engine) = guarded().await;
    let mut config = engine.config().clone();
    config.linger = Some(Duration::from_secs(60));
    let engine = castoff::Engine::connect_with(config).await.unwrap();
    drop(app(&engine).shared().await.unwrap());
    foreign_container(&fake, "taken", &json!({}));
    let named = app(&engine).with_name("taken").start();
    // It does not wait for the linger to report a name that belongs to somebody else.
    let error = tokio::time::timeout(crate::support::LONG, named).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), castoff::ErrorKind::Conflict);
}

#[tokio::test]
async fn what_is_half_made_and_kept_can_be_pruned() {
    let (fake, engine) = guarded().await;
    let mut config = engine.config().clone();
    config.keep = castoff::config::KeepPolicy::Always;
    let engine = castoff::Engine::connect_with(config).await.unwrap();
    fake.exit_on_start(3);
    app(&engine).shared().await.unwrap_err();
    assert_eq!(fake.containers().len(), 1, "it stays for a look");
    assert_eq!(engine.remove_kept().await.unwrap().containers, 1);
    assert!(fake.containers().is_empty());
}

#[tokio::test]
async fn labels_of_a_container_do_not_make_those_of_its_image_look_like_it() {
    let (fake, engine) = guarded().await;
    let container = running(&engine).await;
    let image = container.commit("app:seeded").await.unwrap();
    let body = &crate::support::bodies(&fake, "POST", "/commit")[0];
    for key in ["castoff.owner", "castoff.shared", "castoff.kept", "castoff.resource"] {
        assert_eq!(body["Labels"][key], "", "{key}");
    }
    assert!(body["Labels"]["castoff.image.owner"].as_str().unwrap().contains('.'));
    drop(image);
}

#[tokio::test]
async fn a_sweep_forgets_no_set_up_of_a_process_that_has_no_session_lock() {
    // Without a guardian there is no session lock.
    let (_fake, engine) = setup().await;
    let container = running(&engine).await;
    let set_up = async || container.init_once("k", async || Ok::<_, castoff::Error>(())).await;
    assert!(set_up().await.unwrap());
    engine.sweep().await.unwrap();
    assert!(!set_up().await.unwrap(), "it ran once more");
    let failed = container.init_once("other", async || Err(std::io::Error::other("no").into()));
    let failed: Result<bool, Box<dyn std::error::Error>> = failed.await;
    assert!(failed.is_err());
    let again = container.init_once("other", async || Ok::<_, castoff::Error>(())).await;
    assert!(again.unwrap(), "what failed is not done");
}

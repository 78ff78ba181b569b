//! The life of containers, from create to remove.

use std::time::{Duration, Instant};

use castoff::engine::EngineKind;
use castoff::{Container, ErrorKind, Network, Volume, WaitFor};

use crate::differences;
use crate::raw::{Foreign, Raw};
use crate::support::{
    AT_ONCE, BUSYBOX, engine, eventually, printed, script, sh, sleeper, texts, unique,
};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn create_and_then_start() {
    let container = script("cat /file; exec sleep 3600")
        .with_copy(b"hello\n", "/file")
        .with_wait(WaitFor::log("hello"))
        .create()
        .await
        .unwrap();
    let state = container.state().await.unwrap();
    assert!(!state.running);
    assert_eq!(state.status, differences::CREATED);
    container.start().await.unwrap();
    assert!(container.state().await.unwrap().running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn stop_start_and_restart() {
    let lines = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
    let container = script(lines).with_wait(WaitFor::log("up")).start().await.unwrap();
    container.stop().await.unwrap();
    let state = container.state().await.unwrap();
    assert_eq!((state.running, state.exit_code), (false, 7));
    container.stop().await.unwrap();
    container.start().await.unwrap();
    assert!(container.state().await.unwrap().running);
    assert_eq!(texts(container.logs().lines()).await, ["up", "up"]);
    container.restart().await.unwrap();
    assert!(container.state().await.unwrap().running);
    assert_eq!(texts(container.logs().lines()).await, ["up", "up", "up"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn signals_arrive_by_name_and_number() {
    let lines = "trap 'echo hup' HUP; trap 'echo usr1; exit 3' USR1; echo up; \
                 while :; do sleep 0.05; done";
    let container = script(lines).with_wait(WaitFor::log("up")).start().await.unwrap();
    container.kill("SIGHUP").await.unwrap();
    let logged = async |text: &str| {
        eventually(text, async || container.logs().text().await.unwrap().contains(text)).await;
    };
    logged("hup").await;
    container.kill("10").await.unwrap();
    assert_eq!(container.wait().await.unwrap(), 3);
    logged("usr1").await;
    let error = container.kill("KILL").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!((error.step(), error.container()), (Some("kill"), Some(container.name())));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn pause_and_unpause() {
    let container = script("while :; do echo tick; sleep 0.02; done").start().await.unwrap();
    container.pause().await.unwrap();
    let state = container.state().await.unwrap();
    assert!(state.paused, "{state:?}");
    assert_eq!(state.status, "paused");
    let before = container.logs().text().await.unwrap().len();
    assert_eq!(container.logs().text().await.unwrap().len(), before);
    container.unpause().await.unwrap();
    assert!(!container.state().await.unwrap().paused);
    eventually("more ticks", async || container.logs().text().await.unwrap().len() > before).await;
    assert_eq!(container.unpause().await.unwrap_err().step(), Some("unpause"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_paused_container_goes_when_it_is_dropped() {
    let container = sleeper().start().await.unwrap();
    container.pause().await.unwrap();
    let (raw, path) = (Raw::of(container.engine()), format!("containers/{}", container.id()));
    drop(container);
    raw.until_gone(&path);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn waiting_for_the_end() {
    let lines = "trap 'exit 42' USR1; echo up; while :; do sleep 0.02; done";
    let container = script(lines).with_wait(WaitFor::log("up")).start().await.unwrap();
    let waiting = container.wait();
    // By a signal: a command in the container that ended it would be killed with it.
    let (code, ending) = tokio::join!(waiting, container.kill("USR1"));
    ending.unwrap();
    assert_eq!(code.unwrap(), 42);
    assert_eq!(container.wait().await.unwrap(), 42, "of one that has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn waiting_for_the_end_of_what_is_not_started_yet() {
    let container = script("exit 7").without_wait().create().await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(500), container.wait()).await;
    assert!(early.is_err(), "it has not begun: {early:?}");
    // Started by another handle, and by somebody else.
    let (waiting, other) = (container.clone(), container.clone());
    let waiting = tokio::spawn(async move { waiting.wait().await });
    other.start().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    let container = script("exit 8").without_wait().create().await.unwrap();
    let waiting = container.clone();
    let waiting = tokio::spawn(async move { waiting.wait().await });
    let raw = Raw::of(container.engine());
    assert_eq!(raw.call("POST", &format!("/containers/{}/start", container.id()), None).0, 204);
    assert_eq!(waiting.await.unwrap().unwrap(), 8);
    assert_eq!(container.wait().await.unwrap(), 8);

    let container = sleeper().create().await.unwrap();
    let waiting = container.clone();
    let waiting = tokio::spawn(async move { waiting.wait().await });
    assert!(raw.remove(&format!("containers/{}", container.id())));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, Some("wait")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_image_that_a_container_uses_is_not_removed() {
    let maker = sleeper().start().await.unwrap();
    let name = format!("castoff.test/{}:used", unique("used"));
    let image = maker.commit(&name).await.unwrap();
    let user = Container::builder(&image).with_command(["sleep", "3600"]).start().await.unwrap();
    let images = user.engine().images();
    for reference in [name.as_str(), image.id()] {
        let error = images.remove(reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
    assert_eq!(images.inspect(&name).await.unwrap().id, image.id(), "it has its name");
    assert!(user.state().await.unwrap().running);
    user.stop_within(Duration::ZERO).await.unwrap();
    for reference in [name.as_str(), image.id()] {
        let error = images.remove(reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "of one that does not run: {error:?}");
    }
    user.remove().await.unwrap();
    // The name that a container was created from is in use, another one is not.
    let (other, under) = (unique("other"), unique("under"));
    images.tag(&name, &other).await.unwrap();
    images.tag(&name, &under).await.unwrap();
    let second = Container::builder(&under).with_command(["true"]).create().await.unwrap();
    for reference in [under.as_str(), image.id()] {
        let error = images.remove(reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
    }
    images.remove(&other).await.unwrap();
    let names = images.inspect(&name).await.unwrap().names;
    assert!(names.contains(&name) && names.contains(&format!("{under}:latest")), "{names:?}");
    assert!(!names.contains(&format!("{other}:latest")), "{names:?}");
    second.remove().await.unwrap();
    images.remove(image.id()).await.unwrap();
    assert!(!images.exists(&name).await.unwrap() && !images.exists(&under).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_image_of_ours_that_somebody_elses_container_is_of_stays() {
    let maker = sleeper().start().await.unwrap();
    let raw = Raw::of(maker.engine());
    let name = format!("castoff.test/{}:theirs", unique("theirs"));
    let image = maker.commit(&name).await.unwrap();
    let user = unique("theirs");
    let body = serde_json::json!({ "Image": name, "Cmd": ["true"] });
    let (status, answer) =
        raw.call("POST", &format!("/containers/create?name={user}"), Some(&body));
    assert_eq!(status, 201, "{answer}");
    let error = image.remove().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let found = raw.inspect(&format!("images/{name}"));
    assert!(raw.remove(&format!("containers/{user}")));
    let found = found.unwrap();
    assert!(found["RepoTags"].as_array().unwrap().contains(&name.clone().into()), "{found}");
    // The name may have been removed with the container that used it.
    raw.remove(&format!("images/{name}"));
    raw.until_gone(&format!("images/{name}"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_for_another_platform_is_told_with_what_there_is() {
    let foreign = match engine().await.architecture() {
        "arm64" => "linux/s390x",
        _ => "linux/arm64",
    };
    let error = sleeper().with_platform(foreign).start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the engine has the image for linux/"), "{error:?}");
    assert!(text.contains(&format!("{foreign} was asked for")), "{error:?}");
    let id = format!("sha256:{}", "0".repeat(64));
    let error = Container::builder(&id).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
    // The first digits of an id are enough.
    let id = engine().await.images().inspect(BUSYBOX).await.unwrap().id;
    let short = &id.trim_start_matches("sha256:")[..12];
    assert_eq!(printed(Container::builder(short), "echo hi").await, "hi");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn commit_makes_an_image_that_goes_with_its_handle() {
    let raw = Raw::of(&engine().await);
    let container = sleeper().start().await.unwrap();
    sh(&container, "echo seeded > /seed").await;
    let name = format!("castoff.test/{}:seeded", unique("commit"));
    let image = container.commit(&name).await.unwrap();
    let path = format!("images/{name}");
    assert!(raw.inspect(&path).is_some());
    assert_eq!(printed(Container::builder(&image), "cat /seed").await, "seeded");
    let images = container.engine().images();
    let listed = images.list(name.replace(":seeded", "")).await.unwrap();
    assert_eq!(listed.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), [image.id()]);
    assert_eq!(listed[0].names, [name.as_str()]);
    let found = images.inspect(&name).await.unwrap();
    assert_eq!((found.id.as_str(), found.size > 0), (image.id(), true));
    assert_eq!(images.inspect("castoff.test/none").await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = images.remove("castoff.test/none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    drop(container);
    drop(image);
    raw.until_gone(&path);
    let container = sleeper().start().await.unwrap();
    let error = container.commit("NOT A NAME").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let kept = container.commit(&name).await.unwrap();
    let id = kept.id().to_owned();
    let image = async || container.engine().images().inspect(&id).await;
    let names = if container.engine().kind() == EngineKind::Podman { 1 } else { 2 };
    assert_eq!(image().await.unwrap().names.len(), names, "one of castoff's, by which it knows it");
    kept.keep();
    let expected = [name.as_str()];
    eventually("it has the user's name alone", async || image().await.unwrap().names == expected)
        .await;
    container.engine().images().remove(&name).await.unwrap();
    assert_eq!(image().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_is_kept_lives_on_with_what_it_uses() {
    let raw = Raw::of(&engine().await);
    let (net, volume) = tokio::try_join!(Network::create(), Volume::create()).unwrap();
    let builder = sleeper().with_network(&net, ()).with_volume(&volume, "/data");
    let container = builder.start().await.unwrap();
    let name = container.name().to_owned();
    // In the order in which they can be removed in the end.
    let kept_net = Foreign::adopt(&raw, format!("networks/{}", net.id()));
    let kept_volume = Foreign::adopt(&raw, format!("volumes/{}", volume.name()));
    assert_eq!(container.keep(), name);
    let kept = Foreign::adopt(&raw, format!("containers/{name}"));
    drop((net, volume));
    // A removal through the same thread: all earlier ones are done after it.
    sleeper().start().await.unwrap().remove().await.unwrap();
    let inspect = raw.inspect(&format!("containers/{name}")).unwrap();
    assert_eq!(inspect["State"]["Running"], true);
    assert!(kept.exists() && kept_net.exists() && kept_volume.exists());
    drop(kept);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn remove_reports_and_is_done_when_it_returns() {
    let raw = Raw::of(&engine().await);
    let container = sleeper().start().await.unwrap();
    let path = format!("containers/{}", container.id());
    container.remove().await.unwrap();
    assert!(raw.inspect(&path).is_none());
    // A container that somebody else has removed counts as removed.
    let container = sleeper().start().await.unwrap();
    assert!(raw.remove(&format!("containers/{}", container.id())));
    container.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_that_somebody_else_removed_is_an_error() {
    let container = sleeper().start().await.unwrap();
    assert!(Raw::of(container.engine()).remove(&format!("containers/{}", container.id())));
    for error in [
        container.state().await.unwrap_err(),
        container.exec(["true"]).await.unwrap_err(),
        container.logs().text().await.unwrap_err(),
        container.start().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
}

/// A struct without a type parameter: containers of different images fit into one collection or
/// struct.
#[derive(Debug)]
struct Stack {
    all: Vec<Container>,
    web: Option<Container>,
    _net: Network,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn containers_in_collections_and_structs() {
    let net = Network::create().await.unwrap();
    let raw = Raw::of(net.engine());
    let starts = (0..3).map(|n| sleeper().with_network(&net, format!("c{n}")).start());
    let mut all = futures_util::future::try_join_all(starts).await.unwrap();
    let web =
        Container::builder(crate::support::WEB).with_network(&net, "web").start().await.unwrap();
    all.push(sleeper().start().await.unwrap());
    let mut paths: Vec<_> = all.iter().map(|c| format!("containers/{}", c.id())).collect();
    paths.push(format!("containers/{}", web.id()));
    paths.push(format!("networks/{}", net.id()));
    let mut stack = Stack { all, web: Some(web), _net: net };
    stack.web.take();
    assert_eq!(stack.all.len(), 4);
    let stack = tokio::spawn(async move { stack }).await.unwrap();
    drop(stack);
    paths.iter().for_each(|path| raw.until_gone(path));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_name_that_is_taken_is_a_conflict_that_names_it() {
    let engine = engine().await;
    let name = unique("taken");
    let foreign = Raw::of(&engine).foreign_container(&name);
    let began = Instant::now();
    let error = sleeper().with_name(&name).start().await.unwrap_err();
    assert!(began.elapsed() < AT_ONCE);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!((error.step(), error.container()), (Some("create"), Some(name.as_str())));
    assert!(error.to_string().contains(&name), "{error}");
    assert!(foreign.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_name_is_free_again_right_after_a_drop() {
    let name = unique("again");
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let container = sleeper().with_name(&name).start().await.unwrap();
        ids.insert(container.id().to_owned());
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn run_returns_all_output_and_the_code() {
    let output = script("seq 1 20000; echo error >&2; exit 6").run().await.unwrap();
    assert_eq!((output.exit_code, output.stderr_text().as_ref()), (6, "error\n"));
    assert_eq!(output.stdout.len(), 108_894);
    let error = output.ok().unwrap_err();
    assert_eq!(error.exit_code(), Some(6));
    // A container that ends before an attach could complete still has its output.
    for _ in 0..5 {
        let output =
            Container::builder(BUSYBOX).with_command(["echo", "quick"]).run().await.unwrap();
        assert_eq!(output.stdout, b"quick\n");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn run_leaves_nothing_also_when_it_is_given_up() {
    let raw = Raw::of(&engine().await);
    let name = unique("run");
    let path = format!("containers/{name}");
    script("true").with_name(&name).run().await.unwrap();
    raw.until_gone(&path);
    let running = sleeper().with_name(&name).run();
    assert!(tokio::time::timeout(Duration::from_secs(3), running).await.is_err());
    raw.until_gone(&path);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_an_inspect_tells() {
    let container = sleeper().with_env("KEY", "value").with_label("a", "b").start().await.unwrap();
    let details = container.inspect().await.unwrap();
    assert_eq!((details.id.as_str(), details.name.as_str()), (container.id(), container.name()));
    assert_eq!(details.env["KEY"], "value", "{details:?}");
    assert!(details.image.contains("castoff.test/busybox"), "{details:?}");
    assert!(details.ports.is_empty() && !details.tty && !details.has_healthcheck);
    assert_eq!(container.id().len(), 64);
    assert!(container.default_ip().is_some(), "{details:?}");
    let all = container.engine().containers().with_label("a=b").list().await.unwrap();
    assert!(all.iter().any(|one| one.id == container.id() && one.state == "running"), "{all:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_start_that_fails_leaves_a_created_container_startable() {
    let container = script("test -f /ready || exit 1; echo up; exec sleep 3600")
        .with_wait(WaitFor::log("up"))
        .create()
        .await
        .unwrap();
    let error = container.start().await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(1)), "{error:?}");
    container.copy_to(b"", "/ready").await.unwrap();
    container.start().await.unwrap();
}

//! Builds that end early leave nothing.

use std::sync::Arc;
use std::time::Duration;

use castoff::dockerfile::{Dockerfile, Stage};
use castoff::engine::{BuildEvent, EngineKind};
use castoff::image::BuildBackend;
use tokio::sync::Notify;

use crate::build::{builders, images_of_steps, scraps, stage};
use crate::children::Running;
use crate::differences;
use crate::raw::{Foreign, Raw};
use crate::support::{BUSYBOX, engine, eventually, unique};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_dropped_build_ends_and_leaves_nothing() {
    for builder in builders().await {
        let label = unique("dropped");
        let (marker, lasts) = (unique("marker"), differences::step_given_up(&engine().await));
        let file = stage("x")
            .label("test", &*label)
            .run("echo made > /made")
            .run(format!("echo running; echo {marker} > /dev/null; sleep {lasts}"));
        let running = Arc::new(Notify::new());
        let told = running.clone();
        let build =
            Dockerfile::new().stage(file).builder().with_backend(builder).with_event_listener(
                move |event| {
                    if matches!(&event, BuildEvent::Log { text, .. } if text.contains("running")) {
                        told.notify_one();
                    }
                },
            );
        let building = tokio::spawn(build.build());
        tokio::time::timeout(Duration::from_secs(60), running.notified()).await.unwrap();
        building.abort();
        assert!(building.await.unwrap_err().is_cancelled());
        let raw = Raw::of(&engine().await);
        eventually(&format!("{builder}: the step ends"), async || !runs(&marker)).await;
        let gone = async || scraps(&raw, &label) == 0;
        eventually(&format!("{builder}: its images go"), gone).await;
    }
}

/// Returns whether a process of this machine, on which the engine runs, has this in its command
/// line.
fn runs(marker: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        memchr::memmem::find(&line, marker.as_bytes()).is_some()
    })
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_failed_build_leaves_nothing() {
    for builder in builders().await {
        let label = unique("failed");
        let file = stage("x").label("test", &*label).run("echo made > /made").run("exit 1");
        Dockerfile::new().stage(file).builder().with_backend(builder).build().await.unwrap_err();
        let raw = Raw::of(&engine().await);
        eventually("its images go", async || scraps(&raw, &label) == 0).await;
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_without_a_name_goes_with_its_last_handle() {
    for builder in [None, Some(BuildBackend::Classic)] {
        let mut build = Dockerfile::new().stage(stage("handle").run("echo 1 > /1")).builder();
        if let Some(builder) = builder {
            build = build.with_backend(builder);
        }
        let image = build.build().await.unwrap();
        let (raw, path) = (Raw::of(&engine().await), format!("images/{}", image.id()));
        let other = image.clone();
        drop(image);
        assert!(raw.inspect(&path).is_some());
        drop(other);
        eventually("it goes", async || raw.inspect(&path).is_none()).await;
    }
}

/// Returns an unnamed image that belongs to somebody else, as a handle and as the twelve digits of
/// its id.
fn foreign_image(raw: &Raw) -> (Foreign, String) {
    let container = raw.foreign_container(&unique("foreign"));
    let path = format!("/commit?container={}&pause=false", container.name());
    let (status, answer) = raw.call("POST", &path, Some(&serde_json::json!({})));
    assert_eq!(status, 201, "{answer}");
    drop(container);
    let id = answer["Id"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let short = id[..12].to_owned();
    (Foreign::adopt(raw, format!("images/{id}")), short)
}

/// Returns a script that prints the builders' lines about the image of a step, each in a message of
/// its own, with everything that could make them count.
fn as_builders_say(id: &str) -> String {
    let short = &id[..11];
    let lines = [
        format!(" ---> {id}\\n"),
        format!("--> {short}\\n"),
        format!("--> {id}\\n"),
        "Removing intermediate container '$(hostname)'\\n".to_owned(),
        format!(" ---> {id}\\n"),
        "Step 4/4 : RUN x".to_owned(),
        "\\n".to_owned(),
        " ---> Removed intermediate container '$(hostname)'\\n".to_owned(),
        format!(" ---> {id}\\n"),
        format!("--> {id}\\n"),
        "STEP 4/4: RUN x\\n".to_owned(),
        format!("---> {id}\\n"),
        "Successfully built 0123456789ab\\n".to_owned(),
    ];
    // The pause makes each a message of its own; the assertions do not depend on it.
    let said = lines.map(|line| format!("printf -- '{line}'; sleep 0.05"));
    said.join("; ")
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_step_prints_removes_nobody_elses_image() {
    let raw = Raw::of(&engine().await);
    let (victim, id) = foreign_image(&raw);
    let label = unique("hostile");
    let file =
        || stage("x").label("test", &*label).run("echo made > /made").run(as_builders_say(&id));
    let failing = Dockerfile::new().stage(file().run("exit 1"));
    let build = failing.builder().with_backend(BuildBackend::Classic).build();
    build.await.unwrap_err();
    eventually("its images go", async || scraps(&raw, &label) == 0).await;
    assert!(victim.exists(), "after a build that failed");

    let failing =
        stage("x").label("test", &*label).run(format!("{}; exit 1", as_builders_say(&id)));
    let build =
        Dockerfile::new().stage(failing).builder().with_backend(BuildBackend::Classic).build();
    build.await.unwrap_err();
    eventually("its images go", async || scraps(&raw, &label) == 0).await;
    assert!(victim.exists(), "after a step that failed");

    drop(
        Dockerfile::new()
            .stage(file())
            .builder()
            .with_backend(BuildBackend::Classic)
            .build()
            .await
            .unwrap(),
    );
    eventually("the image goes", async || scraps(&raw, &label) == 0).await;
    assert!(victim.exists(), "after a build that was well");

    let variables = [(LABEL, label.as_str()), (VICTIM, id.as_str())];
    let mut child = Running::start("build_ends::a_child_that_builds", &variables);
    child.says("child is ready: ");
    child.kill();
    eventually("images of steps are removed", async || scraps(&raw, &label) == 0).await;
    assert!(victim.exists(), "after a build that was killed");
}

const LABEL: &str = "CASTOFF_TEST_BUILD_LABEL";
const VICTIM: &str = "CASTOFF_TEST_BUILD_VICTIM";

/// Builds for ever, in a child process. Run on its own, it tests nothing.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_builds() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let victim = std::env::var(VICTIM).ok();
    let lasts = differences::step_given_up(&engine().await);
    let file = Stage::from_image(BUSYBOX)
        .label("test", label)
        .run("echo one > /one")
        .run(victim.map_or_else(|| "true".to_owned(), |id| as_builders_say(&id)))
        .run(format!("echo the last step is there; sleep {lasts}"));
    let build = Dockerfile::of(file)
        .builder()
        .with_backend(BuildBackend::Classic)
        .with_event_listener(|event| {
            if matches!(&event, BuildEvent::Log { text, .. } if text.contains("is there")) {
                println!("child is ready: now");
            }
        });
    drop(build.build().await);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_killed_build_leaves_nothing() {
    let engine = engine().await;
    let (raw, label) = (Raw::of(&engine), unique("killed"));
    let variables = [(LABEL, label.as_str())];
    let mut child = Running::start("build_ends::a_child_that_builds", &variables);
    child.says("child is ready: ");
    let images = images_of_steps(&raw, &label);
    assert!(!images.is_empty(), "steps have made images");
    if engine.kind() == EngineKind::Podman {
        // Podman continues an abandoned build, and nobody learns of the image that it makes.
        let owned = |image: &serde_json::Value| image["Labels"]["castoff.image.owner"].is_string();
        assert!(images.iter().all(owned), "{images:?}");
    }
    child.kill();
    eventually("images of steps are removed", async || scraps(&raw, &label) == 0).await;
    let left = || raw.labelled("containers", &format!("test={label}"));
    eventually("the step's container is removed", async || left().is_empty()).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn builds_with_the_same_first_steps_outlive_the_removal_of_the_one_before() {
    let common = unique("common");
    let build_some = async |lane: u32| {
        for round in 0..10 {
            let file = Stage::from_image(BUSYBOX)
                .label("test", &*common)
                .run("echo 1 > /common")
                .run(format!("echo {lane} {round} > /own"));
            let build = Dockerfile::of(file).builder().with_backend(BuildBackend::Classic).build();
            // The removal of the previous image is still running.
            drop(build.await.unwrap_or_else(|error| panic!("{lane}, round {round}: {error:?}")));
        }
    };
    tokio::join!(build_some(0), build_some(1), build_some(2), build_some(3));
    let raw = Raw::of(&engine().await);
    eventually("all of them go", async || scraps(&raw, &common) == 0).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_can_be_removed_right_after_a_run_of_it() {
    let engine = engine().await;
    for builder in builders().await {
        let name = format!("castoff.test/{}", unique("run"));
        let build = |name: Option<&str>| {
            let build = Dockerfile::new().stage(stage("run").run("echo 1 > /1")).builder();
            let build = build.with_backend(builder);
            match name {
                Some(name) => build.with_name(name),
                None => build,
            }
        };
        for name in [None, Some(&*name)] {
            let image = build(name).build().await.unwrap();
            image.container().with_command(["true"]).run().await.unwrap();
            drop(image.container().with_command(["sleep", "300"]).start().await.unwrap());
            image.remove().await.unwrap();
        }
        let image = build(Some(&name)).build().await.unwrap();
        drop(image.container().with_command(["sleep", "300"]).start().await.unwrap());
        engine.images().remove(&name).await.unwrap();
        assert!(Raw::of(&engine).inspect(&format!("images/{name}")).is_none());
    }
}

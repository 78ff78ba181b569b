//! Builds that end early leave nothing.

use std::sync::Arc;
use std::time::Duration;

use castoff::dockerfile::{Dockerfile, Stage};
use castoff::engine::BuildEvent;
use castoff::image::Builder;
use tokio::sync::Notify;

use crate::build::{builders, scraps, stage};
use crate::children::Running;
use crate::raw::Raw;
use crate::support::{BUSYBOX, engine, eventually, unique};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_dropped_build_ends_and_leaves_nothing() {
    for builder in builders().await {
        let label = unique("dropped");
        let marker = unique("marker");
        let file = stage("x")
            .label("test", &*label)
            .run("echo made > /made")
            .run(format!("echo running; echo {marker} > /dev/null; sleep 300"));
        let running = Arc::new(Notify::new());
        let told = running.clone();
        let build = Dockerfile::new().stage(file).builder().using(builder).on_event(move |event| {
            if matches!(&event, BuildEvent::Log { text, .. } if text.contains("running")) {
                told.notify_one();
            }
        });
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

/// Whether a process of this machine has it in its command line. (The engine runs here.)
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
        Dockerfile::new().stage(file).builder().using(builder).build().await.unwrap_err();
        let raw = Raw::of(&engine().await);
        eventually("its images go", async || scraps(&raw, &label) == 0).await;
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_without_a_name_goes_with_its_last_handle() {
    for builder in [None, Some(Builder::Classic)] {
        let mut build = Dockerfile::new().stage(stage("handle").run("echo 1 > /1")).builder();
        if let Some(builder) = builder {
            build = build.using(builder);
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

const LABEL: &str = "CASTOFF_TEST_BUILD_LABEL";

/// What the child does: it builds for ever. Run by itself, it is a test of nothing.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_builds() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let file = Stage::from(BUSYBOX)
        .label("test", label)
        .run("echo one > /one")
        .run("echo the second step is there; sleep 3600");
    let build = Dockerfile::of(file).builder().using(Builder::Classic).on_event(|event| {
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
    assert!(scraps(&raw, &label) > 0, "steps have made images");
    child.kill();
    eventually("images of steps are removed", async || scraps(&raw, &label) == 0).await;
    let left = || raw.labelled("containers", &format!("test={label}"));
    eventually("the step's container is removed", async || left().is_empty()).await;
}

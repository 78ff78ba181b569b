//! What is not done twice: cached steps, cache mounts, recognized images, builds of the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use castoff::dockerfile::{Dockerfile, Run, RunMount, Stage};
use castoff::engine::BuildEvent;
use castoff::image::{BuildBackend, BuildContext};
use castoff::{Image, ImageBuilder};

use crate::build::{builders, says, stage};
use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, engine, eventually, unique};

fn service(id: &str, source: &str, copied_first: &[&str]) -> ImageBuilder {
    let mut stage = Stage::from_image(BUSYBOX).label("test", id).workdir("/app");
    for first in copied_first {
        stage = stage.copy(*first, "./");
    }
    // Stands for an installation: the report only looks for the command.
    stage = stage.run(format!("echo npm ci {id} && cat package.json"));
    if copied_first != ["."] {
        stage = stage.copy(".", "./");
    }
    let context = BuildContext::empty()
        .with_file("package.json", "{}")
        .with_file("source.js", format!("{id} {source}"));
    Dockerfile::new().stage(stage).builder().with_context(context)
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn dependencies_copied_first_stay_cached_and_the_report_tells_if_not() {
    for builder in builders().await {
        let (first, last) = (unique("first"), unique("last"));
        let named = |build: ImageBuilder, name: &str| build.with_name(name).with_backend(builder);
        // Named, as the classic builder's cache is removed with the images.
        let _ = named(service(&first, "1", &["package.json"]), &first).build().await.unwrap();
        let image = named(service(&first, "2", &["package.json"]), &first).build().await.unwrap();
        let report = image.report();
        assert_eq!(report.cached("npm ci"), Some(true), "{builder} {report}");
        assert_eq!(report.cached("COPY ."), Some(false), "{builder} {report}");
        assert!(report.advice.is_empty(), "{report}");
        image.remove().await.unwrap();

        let _ = named(service(&last, "1", &["."]), &last).build().await.unwrap();
        let image = named(service(&last, "2", &["."]), &last).build().await.unwrap();
        let report = image.report();
        assert_eq!(report.cached("npm ci"), Some(false), "{builder} {report}");
        let advice = report.to_string();
        assert!(advice.contains("`COPY .` stands before `RUN echo npm ci"), "{builder} {advice}");
        assert!(advice.contains("copy package.json and package-lock.json first"), "{advice}");
        image.remove().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_cache_mount_outlives_its_build() {
    if differences::is_podman(&engine().await) {
        return;
    }
    let id = unique("cache");
    let count = || async {
        let run = format!("echo {} >> /cache/runs; wc -l < /cache/runs > /count", unique("run"));
        let run = Run::shell(run).mount(RunMount::cache("/cache").id(&*id));
        let image = Dockerfile::new().stage(stage("cache").run(run)).build().await.unwrap();
        let output = image.container().with_command(["cat", "/count"]).run().await.unwrap();
        output.stdout_text().trim().to_owned()
    };
    assert_eq!((count().await, count().await), ("1".to_owned(), "2".to_owned()));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_unchanged_build_is_recognized_and_sends_nothing() {
    for builder in builders().await {
        let name = unique("recognized");
        let events = Arc::new(AtomicU32::new(0));
        let build = |text: &str| {
            let context = BuildContext::empty().with_file("a", text.to_owned());
            let file = Stage::from_image(BUSYBOX).label("test", &*name).copy("a", "/");
            let told = events.clone();
            Dockerfile::new()
                .stage(file)
                .image(&*name)
                .with_context(context)
                .with_backend(builder)
                .with_event_listener(move |event| {
                    if matches!(event, BuildEvent::Step(_)) {
                        told.fetch_add(1, Ordering::Relaxed);
                    }
                })
        };
        let first = build("1").build().await.unwrap();
        assert!(!first.report().recognized && events.swap(0, Ordering::Relaxed) > 0);
        let again = build("1").build().await.unwrap();
        assert!(again.report().recognized && events.load(Ordering::Relaxed) == 0, "{builder}");
        assert_eq!(again.id(), first.id());
        let other = unique("other");
        let both = build("1").with_name(&*other).build().await.unwrap();
        assert_eq!(both.id(), first.id());
        assert!(engine().await.images().exists(&other).await.unwrap());
        engine().await.images().remove(&other).await.unwrap();
        let fresh = build("1").without_cache().build().await.unwrap();
        assert!(!fresh.report().recognized, "asked for anew");
        let changed = build("2").build().await.unwrap();
        assert!(!changed.report().recognized);
        assert_ne!(changed.id(), first.id());
        let raw = Raw::of(&engine().await);
        assert!(raw.inspect(&format!("images/{}", first.id())).is_none(), "what is replaced goes");
        changed.remove().await.unwrap();
        assert!(!engine().await.images().exists(&name).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn two_builds_of_the_same_at_once_are_one() {
    for builder in builders().await {
        let (runs, stage) = (Arc::new(AtomicU32::new(0)), stage("twice").run("echo only once"));
        let build = || {
            let told = runs.clone();
            let build = Dockerfile::new().stage(stage.clone()).builder().with_backend(builder);
            build.with_event_listener(move |event| {
                if let BuildEvent::Step(step) = event
                    && step.completed.is_some()
                    && step.name.contains("only once")
                {
                    told.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let (one, two): (Image, Image) =
            tokio::try_join!(build().build(), build().build()).unwrap();
        assert_eq!(one.id(), two.id(), "{builder}");
        let raw = Raw::of(&engine().await);
        let path = format!("images/{}", one.id());
        drop(one);
        assert!(raw.inspect(&path).is_some(), "the other one has it yet");
        two.remove().await.unwrap();
        assert!(raw.inspect(&path).is_none());
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn stages_are_measured_when_asked() {
    // Some engines count compressed bytes.
    let big = "dd if=/dev/urandom of=/big bs=1M count=3 2>/dev/null && echo 1 > /small";
    let file = Dockerfile::new()
        .stage(stage("measure").named("build").run(big))
        .stage(Stage::scratch().copy_from("build", "/small", "/"));
    let image = file.builder().with_stage_sizes().build().await.unwrap();
    let report = image.report();
    let size = report.stages[0].size.unwrap();
    assert!(size > 3 << 20 && report.size < 10_000, "{report}");
    assert!(report.to_string().contains("% of stage build"), "{report}");
    assert_eq!(report.backend.is_some(), builders().await.contains(&BuildBackend::Classic));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_dockerfile_comes_into_no_image_and_its_last_lines_invalidate_no_copy() {
    for builder in builders().await {
        for (ignore, files) in [
            (None, "a"),
            (Some("target\n"), ".dockerignore a"),
            (Some("*.log\n.dockerignore\n"), "a"),
            // This file ignores nothing, so the classic builder's copy of it gets another line.
            (Some("# nothing\n"), ".dockerignore a"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("a"), unique("a")).unwrap();
            if let Some(text) = ignore {
                std::fs::write(folder.path().join(".dockerignore"), text).unwrap();
            }
            let name = unique("hidden");
            let build = |last: &str| {
                let stage = Stage::from_image(BUSYBOX).label("test", &*name).copy(".", "/c/");
                let stage = stage.run(format!("echo {last} > /last"));
                Dockerfile::new()
                    .stage(stage)
                    .image(&*name)
                    .with_context(folder.path())
                    .with_backend(builder)
            };
            let _ = build("1").build().await.unwrap();
            let image = build("2").build().await.unwrap();
            let cached = image.report().cached("COPY .");
            assert_eq!(cached, Some(true), "{builder} {ignore:?} {}", image.report());
            let list = "cd /c && echo $(ls -A) && cat .dockerignore 2>/dev/null; true";
            let seen = says(&image, &["sh", "-c", list]).await;
            let kept = ignore.filter(|_| files != "a").unwrap_or_default();
            let seen = seen.trim_end();
            let exact = format!("{files}\n{kept}");
            match kept == "# nothing\n" && builder == BuildBackend::Classic {
                true => assert!(seen.starts_with(exact.trim_end()), "{seen}"),
                false => assert_eq!(seen, exact.trim_end(), "{builder} {ignore:?}"),
            }
            // The last command's container may still be being removed.
            let images = engine().await.images();
            eventually("the image goes", async || images.remove(&name).await.is_ok()).await;
        }
    }
}

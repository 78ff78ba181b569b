//! Promise 1: a resource is owned before it exists. Whatever goes wrong, and whenever, nothing is
//! left.
//! Promise 4: castoff leaves the resources of others alone.

use std::future::Future;
use std::time::Duration;

use castoff::spec::Healthcheck;
use castoff::{
    Container, ContainerBuilder, CopySource, Engine, ErrorKind, Network, Volume, WaitFor,
};
use serde_json::json;

use crate::fake::{FakeEngine, Gate, On, PullScript};
use crate::support::*;

/// A container whose start has every step: two copies, a second network, a volume, a wait.
struct Full {
    one: Network,
    two: Network,
    data: Volume,
}

impl Full {
    async fn create(engine: &Engine) -> Full {
        Full {
            one: Network::builder().with_engine(engine).create().await.unwrap(),
            two: Network::builder().with_engine(engine).create().await.unwrap(),
            data: Volume::builder().with_engine(engine).create().await.unwrap(),
        }
    }

    fn container(&self, engine: &Engine) -> ContainerBuilder {
        app(engine)
            .with_network(&self.one, "a")
            .with_network(&self.two, "b")
            .with_volume(&self.data, "/data")
            .with_copy(CopySource::bytes("x"), "/etc/x")
            .with_wait(WaitFor::log("ready"))
            .with_wait(WaitFor::file("/ready"))
    }
}

#[tokio::test]
async fn name_and_labels_are_in_the_create_call_itself() {
    let (fake, engine) = setup().await;
    let full = Full::create(&engine).await;
    fake.on("POST", "/containers/create").times(1).fail(400, "no");
    app(&engine).with_label("team", "blue").start().await.unwrap_err();
    let create = &fake.requests()[3];
    let labels = &create.body["Labels"];
    assert_eq!(labels["castoff.resource"], create.get("name"));
    assert_eq!(labels["team"], "blue");
    for (request, name) in [(0, full.one.name()), (1, full.two.name()), (2, full.data.name())] {
        let body = &fake.requests()[request].body;
        assert_eq!(
            (&body["Name"], &body["Labels"]["castoff.resource"]),
            (&json!(name), &json!(name))
        );
        assert_eq!(body["Labels"]["castoff.session"], labels["castoff.session"]);
        assert_eq!(body["Labels"]["castoff.owner"], labels["castoff.owner"]);
    }
}

/// Drops the future at each of its await points, one after the other.
async fn dropped_everywhere<F: Future<Output = castoff::Result<T>>, T>(
    fake: &FakeEngine,
    make: impl Fn() -> F,
) -> usize {
    let mut polls = 0;
    loop {
        let outcome = poll_times(make(), polls).await;
        if let Some(made) = outcome {
            drop(made.unwrap());
            return polls;
        }
        polls += 1;
        assert!(polls < 1000, "it never ends\n{fake:?}");
    }
}

#[tokio::test]
async fn a_start_can_be_dropped_at_every_await() {
    let (fake, engine) = setup().await;
    fake.log_on_start("ready\n");
    fake.on("HEAD", "/containers/*/archive").query("path", "/ready").found();
    let full = Full::create(&engine).await;
    let polls = dropped_everywhere(&fake, || full.container(&engine).start()).await;
    assert!(polls > 5, "{polls} await points");
    drop(full);
    nothing_left(&fake).await;
    fake.until(|s| s.connections == 0 && balance(s).0 == balance(s).1).await;
}

trait Found {
    /// Answers a look-up of a path: it exists.
    fn found(self);
}

impl Found for On<'_> {
    fn found(self) {
        // {"name":"x","size":0,"mode":420,"mtime":"2026-01-01T00:00:00Z","linkTarget":""}
        let stat = "eyJuYW1lIjoieCIsInNpemUiOjAsIm1vZGUiOjQyMCwibXRpbWUiOiIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsImxpbmtUYXJnZXQiOiIifQ==";
        let head = format!("HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: {stat}\r\n\r\n");
        drop(self.raw(head));
    }
}

#[tokio::test]
async fn a_run_a_pull_and_a_create_can_be_dropped_at_every_await() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| container.exit(0, false));
    dropped_everywhere(&fake, || app(&engine).run()).await;
    dropped_everywhere(&fake, || app(&engine).with_copy(CopySource::bytes("x"), "/x").create())
        .await;
    fake.set_pullable("redis:7", PullScript::ok());
    let missing = || {
        Container::builder("redis:7")
            .with_engine(&engine)
            .with_pull_policy(castoff::spec::PullPolicy::Always)
    };
    dropped_everywhere(&fake, || missing().without_wait().start()).await;
    nothing_left(&fake).await;
    fake.until(|s| s.connections == 0 && balance(s).0 == balance(s).1).await;
}

#[tokio::test]
async fn networks_volumes_and_commits_can_be_dropped_at_every_await() {
    let (fake, engine) = setup().await;
    dropped_everywhere(&fake, || Network::builder().with_engine(&engine).create()).await;
    dropped_everywhere(&fake, || {
        Network::builder().with_engine(&engine).with_name("backend").create()
    })
    .await;
    dropped_everywhere(&fake, || Volume::builder().with_engine(&engine).create()).await;
    let container = running(&engine).await;
    dropped_everywhere(&fake, || container.commit("app:seeded")).await;
    fake.until(|s| s.images.len() == 1).await;
    drop(container);
    nothing_left(&fake).await;
}

/// The requests of a start that are held, before their effect or before their answer.
const STEPS: [(&str, &str); 7] = [
    ("POST", "/containers/create"),
    ("HEAD", "/containers/*/archive"),
    ("PUT", "/containers/*/archive"),
    ("POST", "/networks/*/connect"),
    ("POST", "/containers/*/start"),
    ("GET", "/containers/*/json"),
    ("GET", "/containers/*/logs"),
];

#[derive(Clone, Copy, Debug)]
enum Held {
    BeforeEffect,
    BeforeAnswer,
}

fn hold(fake: &FakeEngine, method: &str, path: &str, held: Held) -> Gate {
    match held {
        Held::BeforeEffect => fake.on(method, path).gate(),
        Held::BeforeAnswer => fake.on(method, path).gate_answer(),
    }
}

#[tokio::test]
async fn a_start_can_be_dropped_while_any_request_is_under_way() {
    for (method, path) in STEPS {
        for held in [Held::BeforeEffect, Held::BeforeAnswer] {
            let (fake, engine) = setup().await;
            let full = Full::create(&engine).await;
            let gate = hold(&fake, method, path, held);
            let starting = tokio::spawn(full.container(&engine).start());
            arrived(&gate).await;
            starting.abort();
            assert!(starting.await.unwrap_err().is_cancelled());
            drop(full);
            gate.release();
            nothing_left(&fake).await;
            fake.until(|s| s.connections == 0).await;
            assert_eq!(fake.leftovers(), [""; 0], "{method} {path} {held:?}");
        }
    }
}

#[tokio::test]
async fn a_wait_can_be_dropped() {
    let (fake, engine) = setup().await;
    let watched = fake.on("POST", "/containers/*/wait").gate();
    let builder = app(&engine).with_wait(WaitFor::probe("never", |_| async { Ok(false) }));
    let starting = tokio::spawn(builder.start());
    arrived(&watched).await;
    starting.abort();
    watched.release();
    nothing_left(&fake).await;

    let events = fake.on("GET", "/events").gate();
    let builder = app(&engine).with_healthcheck(Healthcheck::shell("true"));
    let starting = tokio::spawn(builder.start());
    arrived(&events).await;
    starting.abort();
    events.release();
    nothing_left(&fake).await;
}

#[tokio::test]
async fn networks_volumes_and_commits_can_be_dropped_while_they_are_made() {
    for held in [Held::BeforeEffect, Held::BeforeAnswer] {
        let (fake, engine) = setup().await;
        let gate = hold(&fake, "POST", "/networks/create", held);
        let making = tokio::spawn(Network::builder().with_engine(&engine).create());
        arrived(&gate).await;
        making.abort();
        gate.release();
        fake.until(|s| s.count("DELETE", "/networks/*") == 1).await;

        let gate = hold(&fake, "POST", "/volumes/create", held);
        let making = tokio::spawn(Volume::builder().with_engine(&engine).create());
        arrived(&gate).await;
        making.abort();
        gate.release();
        fake.until(|s| s.count("DELETE", "/volumes/*") == 1).await;

        let container = running(&engine).await;
        let gate = hold(&fake, "POST", "/commit", held);
        let making = async { container.commit("app:seeded").await };
        let held_up = async { arrived(&gate).await };
        tokio::select! {
            biased;
            made = making => panic!("{made:?}"),
            () = held_up => {}
        }
        gate.release();
        fake.until(|s| s.count("DELETE", "/images/*") == 1 && s.images.len() == 1).await;
        drop(container);
        nothing_left(&fake).await;
    }
}

type Spoil = fn(&FakeEngine);

#[tokio::test]
async fn whatever_fails_after_the_create_leaves_nothing() {
    let spoils: [(&str, ErrorKind, Spoil); 8] = [
        ("copy", ErrorKind::Engine, |fake| {
            drop(fake.on("PUT", "/containers/*/archive").fail(500, "no space left on device"));
        }),
        ("copy", ErrorKind::Engine, |fake| {
            drop(fake.on("HEAD", "/containers/*/archive").raw("HTTP/1.1 500 Oops\r\n\r\n"));
        }),
        ("connect", ErrorKind::NotFound, |fake| {
            drop(fake.on("POST", "/networks/*/connect").fail(404, "network not found"));
        }),
        ("start", ErrorKind::Engine, |fake| {
            drop(fake.on("POST", "/containers/*/start").fail(500, "cgroups: no"));
        }),
        ("start", ErrorKind::Exited, |fake| {
            let text = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
            drop(fake.on("POST", "/containers/*/start").fail(400, text));
        }),
        ("inspect", ErrorKind::Engine, |fake| {
            drop(fake.on("GET", "/containers/*/json").fail(500, "oops"));
        }),
        ("wait", ErrorKind::Exited, |fake| fake.exit_on_start(7)),
        ("wait", ErrorKind::Engine, |fake| {
            drop(fake.on("GET", "/containers/*/logs").fail(500, "no driver"));
        }),
    ];
    for (step, kind, spoil) in spoils {
        let (fake, engine) = setup().await;
        let full = Full::create(&engine).await;
        spoil(&fake);
        let error = full.container(&engine).start().await.unwrap_err();
        assert_eq!((error.step(), error.kind()), (Some(step), kind), "{error:?}");
        assert_eq!(error.image(), Some(IMAGE), "{error:?}");
        assert!(error.container().unwrap().starts_with("castoff-"), "{error:?}");
        // Without a guardian a drop waits for the removal: it is done by now.
        assert!(fake.containers().is_empty(), "{step}: {fake:?}");
        drop(full);
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn a_wait_that_never_comes_true_leaves_nothing() {
    let (fake, engine) = setup().await;
    let never = app(&engine).with_wait(WaitFor::log("never"));
    let error = never.with_startup_timeout(Duration::from_millis(200)).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(fake.leftovers(), [""; 0]);
}

const LOSE: [Spoil; 5] = [
    |fake| drop(fake.on("POST", "*/create").with_effect().fail(500, "server error")),
    |fake| drop(fake.on("POST", "*/create").with_effect().cut()),
    |fake| drop(fake.on("POST", "*/create").cut_after(40)),
    |fake| drop(fake.on("POST", "*/create").with_effect().respond(201, json!("?"))),
    |fake| {
        let half = "HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{";
        drop(fake.on("POST", "*/create").with_effect().raw(half));
    },
];

#[tokio::test]
async fn a_container_whose_create_was_not_answered_leaves_nothing() {
    for lose in LOSE {
        let (fake, engine) = setup().await;
        lose(&fake);
        app(&engine).start().await.unwrap_err();
        fake.until(|s| s.removed.len() == 1).await;
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn a_network_whose_create_was_not_answered_leaves_nothing() {
    for lose in LOSE {
        let (fake, engine) = setup().await;
        lose(&fake);
        Network::builder().with_engine(&engine).create().await.unwrap_err();
        fake.until(|s| s.count("DELETE", "/networks/*") > 0).await;
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn a_volume_whose_create_was_not_answered_leaves_nothing() {
    for lose in LOSE {
        let (fake, engine) = setup().await;
        lose(&fake);
        Volume::builder().with_engine(&engine).create().await.unwrap_err();
        fake.until(|s| s.count("DELETE", "/volumes/*") > 0).await;
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn a_create_that_is_overtaken_by_the_clock_leaves_nothing() {
    let (fake, engine) = setup().await;
    let gate = fake.on("POST", "/containers/create").gate();
    let slow = app(&engine).with_startup_timeout(Duration::from_millis(50));
    let error = slow.start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Timeout, Some("create")));
    gate.release();
    fake.until(|s| s.removed.len() == 1).await;
    nothing_left(&fake).await;
}

#[tokio::test]
async fn somebody_elses_container_of_the_same_name_stays() {
    let (fake, engine) = setup().await;
    let id = foreign_container(&fake, "db", &json!({}));
    let error = app(&engine).with_name("db").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((error.container(), error.status()), (Some("db"), Some(409)));
    // The next removal comes after any removal of the other.
    drop(running(&engine).await);
    assert_eq!(fake.count("DELETE", "*"), 1);
    assert_eq!(fake.containers()[0].id, id);
}

#[tokio::test]
async fn somebody_elses_volume_of_the_same_name_stays() {
    let (fake, engine) = setup().await;
    foreign(&fake, "/volumes/create", &json!({ "Name": "data" }));
    let error =
        Volume::builder().with_engine(&engine).with_name("data").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("data"), "{error}");
    drop(running(&engine).await);
    assert_eq!(fake.count("DELETE", "/volumes/*"), 0);
    assert_eq!(fake.leftovers(), ["volume data"]);
}

#[tokio::test]
async fn lookalikes_stay_when_an_answer_was_lost() {
    let (fake, engine) = setup().await;
    let ours = running(&engine).await;
    let session = fake.containers()[0].labels["castoff.session"].clone();
    foreign_container(&fake, "castoff-0-1", &json!({}));
    foreign_container(&fake, "plain", &json!({ "castoff.session": session }));
    foreign_container(&fake, "other", &json!({ "castoff.resource": "castoff-other-1" }));
    fake.on("POST", "/containers/create").times(1).with_effect().cut();
    app(&engine).start().await.unwrap_err();
    fake.until(|s| s.removed.len() == 1).await;
    drop(ours);
    let mut left = fake.leftovers();
    left.sort();
    assert_eq!(left, ["container castoff-0-1", "container other", "container plain"]);
}

#[tokio::test]
async fn each_attempt_is_a_new_container() {
    let (fake, engine) = setup().await;
    fake.on("POST", "/containers/*/start").times(2).fail(500, "try again");
    let builder = app(&engine).with_copy(CopySource::bytes("x"), "/x").with_startup_attempts(3);
    let container = builder.start().await.unwrap();
    assert_eq!(fake.count("POST", "/containers/create"), 3);
    assert_eq!(fake.count("PUT", "/containers/*/archive"), 3);
    assert_eq!(fake.leftovers(), [format!("container {}", container.name())]);
    drop(container);

    fake.on("POST", "/containers/*/start").fail(500, "never");
    let error = app(&engine).with_startup_attempts(2).start().await.unwrap_err();
    assert!(error.to_string().contains("never"), "{error}");
    assert_eq!(fake.count("POST", "/containers/create"), 5);
    nothing_left(&fake).await;
}

//! An engine that fails in every way: the errors name the failed step and the reason, keep their
//! sources, and come in time.

use std::error::Error as _;
use std::time::Duration;

use castoff::config::Config;
use castoff::spec::Healthcheck;
use castoff::{Container, ContainerBuilder, Engine, Error, ErrorKind, Network, Volume, WaitFor};
use serde_json::json;

use crate::fake::{FakeEngine, PullScript, Stream, frame};
use crate::support::*;

/// The requests of a start that waits for its log, each with its step.
const STEPS: [(&str, &str, &str); 5] = [
    ("POST", "/containers/create", "create"),
    ("PUT", "/containers/*/archive", "copy"),
    ("POST", "/containers/*/start", "start"),
    ("GET", "/containers/*/json", "inspect"),
    ("GET", "/containers/*/logs", "wait"),
];

fn whole(engine: &Engine) -> ContainerBuilder {
    app(engine).with_copy(b"x", "/x").with_wait(WaitFor::log("ready"))
}

async fn failing(spoil: impl Fn(&FakeEngine, &str, &str)) -> Vec<(&'static str, Error)> {
    let mut errors = Vec::new();
    for (method, path, step) in STEPS {
        let (fake, engine) = setup().await;
        fake.log_on_start("starting\n");
        spoil(&fake, method, path);
        let error = tokio::time::timeout(LONG, whole(&engine).start()).await;
        let error = error.unwrap_or_else(|_| panic!("{step}: it hangs")).unwrap_err();
        assert_eq!(error.step(), Some(step), "{error:?}");
        assert_eq!(error.image(), Some(IMAGE), "{error:?}");
        assert_eq!(error.container().is_some(), step != "create", "{error:?}");
        nothing_left(&fake).await;
        errors.push((step, error));
    }
    errors
}

#[tokio::test]
async fn cut_connections() {
    let errors = failing(|fake, method, path| drop(fake.on(method, path).times(1).cut())).await;
    for (step, error) in errors {
        assert_eq!(error.kind(), ErrorKind::Connection, "{step}: {error:?}");
        assert!(error.source().is_some(), "{step}: {error:?}");
        assert!(error.to_string().starts_with("failed to "), "{step}: {error}");
    }
}

#[tokio::test]
async fn connections_cut_inside_the_answer() {
    for bytes in [1, 20, 60] {
        let spoil = |fake: &FakeEngine, method: &str, path: &str| {
            drop(fake.on(method, path).times(1).cut_after(bytes));
        };
        for (step, error) in failing(spoil).await {
            assert_eq!(error.kind(), ErrorKind::Connection, "{bytes} {step}: {error:?}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_engine_are_told_in_its_words() {
    let spoil = |fake: &FakeEngine, method: &str, path: &str| {
        drop(fake.on(method, path).times(1).fail(500, "disk on fire"));
    };
    for (step, error) in failing(spoil).await {
        assert_eq!((error.kind(), error.status()), (ErrorKind::Engine, Some(500)), "{step}");
        assert!(error.to_string().contains("disk on fire"), "{step}: {error}");
        // The error has the log so far, if there is a container that has one.
        let started = matches!(step, "inspect" | "wait");
        assert_eq!(error.log_tail() == ["starting"], started, "{step}: {error:?}");
    }
}

#[tokio::test]
async fn errors_without_words_or_with_other_words() {
    for answer in [
        "HTTP/1.1 500 Oops\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>Bad Gateway</h1>",
        "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n\u{7}(\u{fe}",
    ] {
        let spoil = |fake: &FakeEngine, method: &str, path: &str| {
            drop(fake.on(method, path).times(1).raw(answer));
        };
        for (step, error) in failing(spoil).await {
            let kinds = [ErrorKind::Engine, ErrorKind::Protocol, ErrorKind::Connection];
            assert!(kinds.contains(&error.kind()), "{step}: {error:?}");
        }
    }
}

#[tokio::test]
async fn answers_that_make_no_sense() {
    for body in ["", "{", "[1,2]", "\"x\"", "null", "{\"Id\": 7, \"State\": 1}"] {
        for path in ["/containers/create", "/containers/*/json"] {
            let (fake, engine) = setup().await;
            let length = body.len();
            let answer = format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\n\r\n{body}");
            fake.on("*", path).times(1).raw(answer);
            let error = app(&engine).start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{path} {body}: {error:?}");
            assert!(error.source().is_some(), "{error:?}");
            nothing_left(&fake).await;
        }
    }
}

#[tokio::test]
async fn something_that_does_not_speak_http() {
    let spoil = |fake: &FakeEngine, method: &str, path: &str| {
        drop(fake.on(method, path).times(1).raw("SSH-2.0-OpenSSH_9.2\r\n"));
    };
    for (step, error) in failing(spoil).await {
        assert_eq!(error.kind(), ErrorKind::Connection, "{step}: {error:?}");
    }
}

#[tokio::test]
async fn an_engine_that_never_answers_meets_the_startup_timeout() {
    for (method, path, _) in STEPS {
        let (fake, engine) = setup().await;
        fake.on(method, path).times(1).hang();
        let limit = Duration::from_millis(150);
        let start = whole(&engine).with_startup_timeout(limit).start();
        let error = tokio::time::timeout(LONG, start).await.expect(path).unwrap_err();
        let kinds = [ErrorKind::Timeout, ErrorKind::WaitTimeout];
        assert!(kinds.contains(&error.kind()), "{path}: {error:?}");
        assert!(error.to_string().contains("150ms") || error.condition().is_some(), "{error:?}");
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn slow_answers_are_answers() {
    let (fake, engine) = setup().await;
    fake.log_on_start("ready\n");
    for (method, path, _) in STEPS {
        fake.on(method, path).times(1).delay(Duration::from_millis(60));
    }
    drop(whole(&engine).start().await.unwrap());
}

#[tokio::test]
async fn the_event_stream_of_a_health_wait() {
    let builder = |engine: &Engine| app(engine).with_healthcheck(Healthcheck::shell("true"));
    let spoils: [fn(&FakeEngine); 4] = [
        |fake| drop(fake.on("GET", "/events").cut()),
        |fake| drop(fake.on("GET", "/events").cut_after(20)),
        |fake| drop(fake.on("GET", "/events").lines([])),
        |fake| drop(fake.on("GET", "/events").lines([json!({ "Action": 7 })])),
    ];
    for spoil in spoils {
        let (fake, engine) = setup().await;
        spoil(&fake);
        let error =
            tokio::time::timeout(LONG, builder(&engine).start()).await.unwrap().unwrap_err();
        let kinds = [ErrorKind::Connection, ErrorKind::Protocol];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert_eq!(error.condition(), Some("healthcheck to pass"));
        nothing_left(&fake).await;
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_is_not_the_containers_end() {
    let (fake, engine) = setup().await;
    fake.on("POST", "/containers/*/wait").cut();
    let starting = tokio::spawn(app(&engine).with_wait(WaitFor::file("/ready")).start());
    fake.until(|s| s.count("POST", "/containers/*/wait") == 1).await;
    fake.only_container().put_archive("/ready", [0; 1024]);
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn half_a_frame_at_the_end_of_the_log() {
    let (fake, engine) = setup().await;
    let starting = tokio::spawn(app(&engine).with_wait(WaitFor::log("ready")).start());
    fake.until(|s| s.followers == 1).await;
    fake.only_container().log_raw(&frame(Stream::Stdout, "ready")[..10]);
    fake.only_container().exit(1, false);
    let error = starting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Protocol, Some(1)), "{error:?}");
    assert_eq!(fake.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_run_that_is_cut() {
    for (method, path) in [("GET", "/containers/*/logs"), ("POST", "/containers/*/wait")] {
        let (fake, engine) = setup().await;
        fake.exit_on_start(0);
        fake.on("POST", "/containers/*/attach").times(1).fail(501, "no attach here");
        fake.on(method, path).times(1).cut();
        let error = app(&engine).run().await.unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::Connection, Some("run")), "{error:?}");
        assert!(error.container().is_some());
        assert_eq!(fake.leftovers(), [""; 0]);
    }
}

#[tokio::test]
async fn logs_and_lifecycle() {
    let (fake, engine) = setup().await;
    fake.log_on_start("one\ntwo\n");
    let container = running(&engine).await;
    assert_eq!(container.logs().with_tail(1).text().await.unwrap(), "two\n");
    let half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n\u{1}\0\0";
    fake.on("GET", "/containers/*/logs").times(1).raw(half);
    let cut = container.logs().with_follow().text().await.unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Connection, "{cut:?}");
    container.kill("HUP").await.unwrap();
    container.pause().await.unwrap();
    assert_eq!(container.pause().await.unwrap_err().kind(), ErrorKind::Conflict);
    container.unpause().await.unwrap();
    container.kill("KILL").await.unwrap();
    assert_eq!(container.wait().await.unwrap(), 137);
    assert!(!container.state().await.unwrap().running);
    fake.on("POST", "/containers/*/stop").fail(500, "stuck");
    let error = container.stop().await.unwrap_err();
    assert_eq!((error.step(), error.container()), (Some("stop"), Some(container.name())));
    fake.only_container().vanish();
    let gone = container.inspect().await.unwrap_err();
    assert_eq!((gone.kind(), gone.image()), (ErrorKind::NotFound, Some(IMAGE)));
}

#[tokio::test]
async fn lines_of_the_log_are_whole() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    let mut lines = container.logs().with_follow().lines();
    let hand = fake.only_container();
    hand.log_frame(Stream::Stdout, "o");
    hand.log_frame(Stream::Stderr, "err\r\n");
    hand.log_frame(Stream::Stdout, "ut\nla");
    hand.log_frame(Stream::Stdout, "st");
    hand.exit(0, false);
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await {
        seen.push(line.unwrap().text);
    }
    assert_eq!(seen, ["err", "out", "last"]);
}

#[tokio::test]
async fn networks_and_volumes() {
    let (fake, engine) = setup().await;
    fake.on("POST", "/networks/create").fail(500, "plugin failed");
    let error = Network::builder().with_engine(&engine).create().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Engine, Some("create")));
    assert!(error.to_string().contains("plugin failed"), "{error}");
    assert_eq!(fake.count("POST", "/networks/create"), 1);
    fake.on("POST", "/volumes/create").fail(400, "unknown driver \"nfs\"");
    let error =
        Volume::builder().with_engine(&engine).with_driver("nfs").create().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Engine, Some("create")));
    nothing_left(&fake).await;
}

#[tokio::test]
async fn a_pull_that_is_cut() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::ok());
    fake.on("POST", "/images/create").times(1).cut_after(150);
    drop(Container::builder("redis:7").with_engine(&engine).start().await.unwrap());
    assert_eq!(fake.count("POST", "/images/create"), 2);
}

#[tokio::test]
async fn an_engine_that_is_gone() {
    let (fake, engine) = setup().await;
    fake.go_down();
    let error = app(&engine).start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Connection, Some("create")));
    let cause = chain(&error);
    assert!(cause.contains("refused") || cause.contains("No such file"), "{cause}");
}

#[tokio::test]
async fn nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.engine = Some(format!("unix://{}/absent.sock", dir.path().display()));
    let error = Engine::connect_with(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoEngine);
    let story = format!("{error:?}");
    assert!(story.contains("absent.sock (CASTOFF_ENGINE): absent"), "{story}");
    assert!(story.contains("hint: start Docker or Podman"), "{story}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn what_answers_is_no_engine() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"ApiVersion\":",
        "220 mail.example.com ESMTP\r\n",
        "",
    ] {
        let fake = FakeEngine::start();
        fake.on("GET", "/version").raw(answer);
        let error = Engine::connect_with(config(&fake)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoEngine, "{answer:?}: {error:?}");
        assert!(error.to_string().contains(&fake.endpoint()), "{answer:?}: {error}");
        assert!(error.source().is_some(), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn candidates_are_listed_with_their_reasons() {
    let home = tempfile::tempdir().unwrap();
    let sockets = home.path().join(".orbstack/run");
    std::fs::create_dir_all(&sockets).unwrap();
    drop(std::os::unix::net::UnixListener::bind(sockets.join("docker.sock")).unwrap());
    let mut config = Config::default();
    config.home = Some(home.path().into());
    // On a machine with an engine, that one is found.
    let Err(error) = Engine::connect_with(config).await else { return };
    let text = error.to_string();
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_default();
    assert!(line(".orbstack").ends_with("(OrbStack): refused: nobody listens there"), "{text}");
    assert!(line(".colima/default").ends_with("(Colima): absent"), "{text}");
    assert!(line("/var/run/docker.sock").contains("(Docker)"), "{text}");
    assert_eq!(error.kind(), ErrorKind::NoEngine);
}

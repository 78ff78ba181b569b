//! Pulls: their number, credentials and names, and the messages of their failures.

use futures_util::StreamExt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use castoff::spec::PullPolicy;
use castoff::{Container, Engine, Error, ErrorKind};
use serde_json::{Value, json};

use crate::fake::{FakeEngine, PullScript};
use crate::support::*;

async fn start(engine: &Engine, image: &str) -> Result<Container, Error> {
    Container::builder(image).with_engine(engine).start().await
}

fn pulls(fake: &FakeEngine) -> usize {
    fake.count("POST", "/images/create")
}

#[tokio::test]
async fn twenty_starts_pull_once() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::ok());
    let gate = fake.on("POST", "/images/create").gate();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let engine = engine.clone();
        starts.spawn(async move { start(&engine, "redis:7").await });
    }
    let refused =
        |s: &crate::fake::State| s.requests.iter().filter(|r| r.status == Some(404)).count() == 20;
    fake.until(refused).await;
    gate.release();
    let all = starts.join_all().await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(pulls(&fake), 1);
}

#[tokio::test]
async fn one_failure_is_told_to_all_who_wait_and_not_remembered() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::error("manifest unknown").times(1));
    let gate = fake.on("POST", "/images/create").gate();
    // Both have joined the pull before it can continue.
    let two = [(); 2].map(|()| engine.images().pull("redis:7").progress().unwrap());
    gate.release();
    for one in two {
        let last = one.collect::<Vec<_>>().await.pop().unwrap();
        assert_eq!(last.unwrap_err().kind(), ErrorKind::ImageNotFound);
    }
    assert_eq!(pulls(&fake), 1);
    drop(start(&engine, "redis:7").await.unwrap());
    assert_eq!(pulls(&fake), 2);
}

#[tokio::test]
async fn an_unknown_image_is_named_as_asked_and_as_tried() {
    let (fake, _) = setup().await;
    let mut config = config(&fake);
    config.image_prefix = Some("mirror.example.com/hub".into());
    let engine = connect(config).await;
    let error = start(&engine, "no-such:1").await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::ImageNotFound, Some("pull")));
    assert_eq!(error.image(), Some("no-such:1"));
    let text = error.to_string();
    assert!(text.contains("asked for `no-such:1`"), "{text}");
    assert!(text.contains("tried `mirror.example.com/hub/no-such:1`"), "{text}");
    assert_eq!(pulls(&fake), 1);
}

#[tokio::test]
async fn errors_inside_the_stream_are_errors() {
    let (fake, engine) = setup().await;
    for (message, kind) in [
        (
            "manifest for x:1 not found: manifest unknown: manifest unknown",
            ErrorKind::ImageNotFound,
        ),
        ("unauthorized: authentication required", ErrorKind::ImageDenied),
        ("no space left on device", ErrorKind::Pull),
    ] {
        fake.clear_requests();
        fake.set_pullable("x:1", PullScript::error(message));
        let error = start(&engine, "x:1").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(chain(&error).contains(message), "{error:?}");
        assert_eq!(pulls(&fake), 1, "{message}: at once");
        let told = error.hint().is_some_and(|hint| hint.contains("reachable"));
        assert!(!told, "the registry has answered: {error:?}");
    }
    let hint = "the disk that the engine writes to is full";
    fake.set_pullable("x:1", PullScript::error("write /x: no space left on device"));
    let error = start(&engine, "x:1").await.unwrap_err();
    assert!(error.hint().is_some_and(|told| told.starts_with(hint)), "{error:?}");
    fake.set_pullable("x:1", PullScript::status(404, "manifest unknown"));
    assert_eq!(start(&engine, "x:1").await.unwrap_err().kind(), ErrorKind::ImageNotFound);
    fake.on("POST", "/images/create").times(1).lines([json!({ "error": "odd" })]);
    let error = start(&engine, "x:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pull, "{error:?}");
    assert_eq!(fake.leftovers(), [""; 0]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (fake, engine) = setup().await;
    let busy = "toomanyrequests: You have reached your pull rate limit";
    fake.set_pullable("redis:7", PullScript::error(busy).times(1));
    drop(start(&engine, "redis:7").await.unwrap());
    assert_eq!(pulls(&fake), 2);

    let down = "Get \"https://registry-1.docker.io/v2/\": net/http: TLS handshake timeout";
    fake.set_pullable("redis:8", PullScript::status(500, down).times(1));
    fake.on("POST", "/images/create").query("tag", "9").times(1).cut();
    fake.set_pullable("redis:9", PullScript::ok());
    let (eight, nine) = tokio::join!(start(&engine, "redis:8"), start(&engine, "redis:9"));
    drop((eight.unwrap(), nine.unwrap()));
    assert_eq!(pulls(&fake), 6);
}

#[tokio::test]
async fn what_does_not_pass_is_given_up() {
    let (fake, engine) = setup().await;
    let limit = "toomanyrequests: You have reached your pull rate limit";
    fake.set_pullable("redis:7", PullScript::error(limit));
    let error = start(&engine, "redis:7").await.unwrap_err();
    assert_eq!((error.kind(), pulls(&fake)), (ErrorKind::Pull, 4), "{error:?}");
    assert!(error.to_string().contains("toomanyrequests"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("limits") && !hint.contains("reachable"), "{error:?}");
}

#[tokio::test]
async fn a_pull_does_not_count_as_starting() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::ok());
    let gate = fake.on("POST", "/images/create").gate();
    let limit = std::time::Duration::from_millis(300);
    let builder = Container::builder("redis:7").with_engine(&engine).with_startup_timeout(limit);
    let starting = tokio::spawn(builder.start());
    arrived(&gate).await;
    tokio::time::sleep(limit).await;
    gate.release();
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn progress_is_a_stream() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::ok().layers(1));
    let mut progress = engine.images().pull("redis:7").progress().unwrap();
    let mut events = Vec::new();
    while let Some(event) = progress.next().await {
        events.push(event.unwrap());
    }
    assert_eq!(events[0].status, "Pulling from redis");
    let downloading = events.iter().find(|e| e.status == "Downloading").unwrap();
    assert_eq!((downloading.current, downloading.total), (Some(512), Some(1024)));
    assert!(engine.images().exists("docker.io/library/redis:7").await.unwrap());
    assert!(!engine.images().exists("redis:8").await.unwrap());

    let mut progress = engine.images().pull("no-such:1").progress().unwrap();
    let error = progress.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert!(progress.next().await.is_none());
}

#[tokio::test]
async fn digests_and_platforms_are_asked_for() {
    let (fake, engine) = setup().await;
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = format!("redis@{digest}");
    fake.set_pullable(&image, PullScript::ok());
    let builder = Container::builder(&image).with_engine(&engine).with_platform("linux/arm64");
    let started = builder.start().await;
    let requests = fake.requests();
    let pull = requests.iter().find(|r| r.path == "/images/create").unwrap();
    assert_eq!(pull.get("fromImage"), "docker.io/library/redis");
    assert_eq!((pull.get("tag"), pull.get("platform")), (&digest[..], "linux/arm64"));
    drop(started.unwrap());
    assert_eq!(fake.containers().len(), 0);
    assert_eq!(fake.requests()[0].get("platform"), "linux/arm64");
}

#[tokio::test]
async fn an_image_id_is_never_pulled() {
    let (fake, engine) = setup().await;
    let digits = "0123456789abcdef".repeat(4);
    let there = engine.images().inspect(IMAGE).await.unwrap().id;
    for id in [format!("sha256:{digits}"), digits.clone(), digits[..12].to_owned()] {
        fake.clear_requests();
        let error = start(&engine, &id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&id) && text.contains("can't be pulled by its id"), "{text}");
        assert!(error.hint().is_some_and(|hint| hint.contains("docker images")), "{error:?}");
        let error = engine.images().pull(&id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
        let mut progress = engine.images().pull(&id).progress().unwrap();
        let error = progress.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
        assert!(progress.next().await.is_none());
        assert_eq!(pulls(&fake), 0);
        assert!(fake.requests().iter().all(|sent| !sent.path.contains(":latest")), "{id}");
    }
    // An existing image needs no pull, whatever the policy.
    engine.images().pull(&there).await.unwrap();
    let builder =
        Container::builder(&there).with_engine(&engine).with_pull_policy(PullPolicy::Always);
    drop(builder.start().await.unwrap());
    assert_eq!(pulls(&fake), 0);
}

#[tokio::test]
async fn a_platform_that_there_is_not_is_told_with_what_there_is() {
    let (fake, engine) = setup().await;
    let arm = || Container::builder(IMAGE).with_engine(&engine).with_platform("linux/arm64");
    let refused = "image with reference app:1 was found but does not match the specified platform: \
                   wanted linux/arm64, actual: linux/amd64";
    fake.on("POST", "/containers/create").fail(404, refused);
    let here = "the engine has the image for linux/amd64, and linux/arm64 was asked for";
    // The registry can't be reached.
    let down = "lookup registry-1.docker.io: no such host";
    fake.set_pullable(IMAGE, PullScript::status(500, down));
    let error = arm().start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::Pull, Some("pull")), "{error:?}");
    assert!(error.to_string().starts_with(here), "{error}");
    assert!(chain(&error).contains("no such host"), "{error:?}");
    // The registry does not have that platform either; an old engine then pulls another one, and
    // fails later.
    fake.set_pullable(IMAGE, PullScript::ok());
    let error = arm().start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::ImageNotFound, Some("create")));
    assert!(error.to_string().starts_with(here), "{error}");
    let error = arm().with_pull_policy(PullPolicy::Never).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
    assert!(error.to_string().starts_with(here), "{error}");
    assert!(chain(&error).contains("`Never`"), "{error:?}");
    // A newer engine fails at once.
    let unmatched = "no matching manifest for linux/arm64/v8 in the manifest list entries";
    fake.set_pullable("other:1", PullScript::error(unmatched));
    let platforms = json!([{ "os": "linux", "architecture": "amd64" },
                           { "os": "linux", "architecture": "s390x" }]);
    let answer = json!({ "Descriptor": { "digest": "sha256:0" }, "Platforms": platforms });
    fake.on("GET", "/distribution/other:1/json").respond(200, answer);
    fake.clear_requests();
    let pull = engine.images().pull("other:1").with_platform("linux/arm64");
    let error = pull.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("linux/arm64 was asked for"), "{hint}");
    assert!(hint.contains("linux/amd64, linux/s390x"), "{hint}");
    assert_eq!(pulls(&fake), 1, "at once");
}

fn auth(fake: &FakeEngine) -> Vec<Value> {
    let requests = fake.requests();
    let pulls = requests.iter().filter(|r| r.path == "/images/create");
    let read = |header: &str| match URL_SAFE.decode(header).unwrap() {
        login if login.is_empty() => Value::Null,
        login => serde_json::from_slice(&login).unwrap(),
    };
    pulls.map(|r| read(r.header("x-registry-auth"))).collect()
}

#[tokio::test]
async fn credentials_go_to_their_registry_and_nowhere_else() {
    let (fake, _) = setup().await;
    let mut config = config(&fake);
    // "user:s3cret" and "hub:w0rd" in base64.
    config.auth_config = Some(
        r#"{"auths":{"registry.example.com":{"auth":"dXNlcjpzM2NyZXQ="},
            "https://index.docker.io/v1/":{"auth":"aHViOncwcmQ="}}}"#
            .into(),
    );
    let engine = connect(config).await;
    fake.clear_requests();
    let mut told = String::new();
    for image in ["registry.example.com/team/app:1", "redis:7", "quay.io/x/y:1"] {
        told.push_str(&format!("{:?}", start(&engine, image).await.unwrap_err()));
    }
    let sent = auth(&fake);
    assert_eq!((&sent[0]["username"], &sent[0]["password"]), (&json!("user"), &json!("s3cret")));
    assert_eq!(sent[0]["serveraddress"], "registry.example.com");
    assert_eq!((&sent[1]["username"], &sent[1]["password"]), (&json!("hub"), &json!("w0rd")));
    assert_eq!(keys_or_none(&sent[2]), [""; 0]);
    told.push_str(&format!("{engine:?}"));
    for secret in ["s3cret", "w0rd", "dXNlcjpzM2NyZXQ", "aHViOncwcmQ"] {
        assert!(!told.contains(secret), "{told}");
    }
}

fn keys_or_none(value: &Value) -> Vec<&str> {
    if value.is_null() { Vec::new() } else { keys(value) }
}

#[tokio::test]
async fn prefixes_and_substitutes_change_what_is_used() {
    let (fake, _) = setup().await;
    let mut config = config(&fake);
    config.image_prefix = Some("mirror.example.com/hub".into());
    config.image_substitutes =
        [("postgres:17".to_owned(), "castoff.test/postgres".to_owned())].into();
    let engine = connect(config).await;
    fake.add_image("castoff.test/postgres");
    fake.set_pullable("mirror.example.com/hub/redis:7", PullScript::ok());
    let postgres = start(&engine, "postgres:17").await.unwrap();
    let redis = start(&engine, "redis:7").await.unwrap();
    let images: Vec<_> = fake.containers().iter().map(|c| c.image.clone()).collect();
    assert_eq!(images, ["castoff.test/postgres:latest", "mirror.example.com/hub/redis:7"]);
    assert_eq!((postgres.image(), redis.image()), ("postgres:17", "redis:7"));
}

/// Runs for [`a_credential_helper_that_hangs_keeps_no_program_from_ending`], in a process of its
/// own.
#[test]
fn child_with_a_helper_that_hangs() {
    let Some(dir) = std::env::var_os("CASTOFF_TEST_DOCKER_CONFIG") else { return };
    let dir = std::path::PathBuf::from(dir);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let fake = FakeEngine::start();
        fake.set_pullable("redis:7", PullScript::ok());
        let mut config = config(&fake);
        config.docker_config = Some(dir.clone());
        let engine = connect(config).await;
        tokio::select! {
            _ = start(&engine, "redis:7") => panic!("the helper answered"),
            () = async {
                while !dir.join("runs").exists() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            } => {}
        }
    });
    // Waits for all blocking tasks, like the end of `#[tokio::main]`.
    drop(runtime);
    println!("the runtime has ended");
}

#[test]
fn a_credential_helper_that_hangs_keeps_no_program_from_ending() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    let dir = tempfile::tempdir().unwrap();
    let helper = dir.path().join("docker-credential-hangs");
    let script =
        format!("#!/bin/sh\ntouch {}\nexec sleep 600\n", dir.path().join("runs").display());
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(dir.path().join("config.json"), r#"{"credsStore":"hangs"}"#).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pulls::child_with_a_helper_that_hangs", "--nocapture"])
        .env("CASTOFF_TEST_DOCKER_CONFIG", dir.path())
        .env("PATH", format!("{}:{path}", dir.path().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > 2 * LONG {
            child.kill().unwrap();
            panic!("the program has not ended");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("the runtime has ended"), "{text}");
}

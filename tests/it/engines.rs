//! Differences of engines in their messages, statuses and habits, and castoff's handling of each.

use castoff::{Container, Engine, ErrorKind};
use serde_json::json;

use crate::fake::{FakeEngine, PullScript};
use crate::support::*;

/// Starts an engine that identifies as Podman.
async fn podman() -> (FakeEngine, Engine) {
    let fake = FakeEngine::start();
    fake.add_image(IMAGE);
    fake.on("GET", "/version").respond(
        200,
        json!({
            "Version": "5.8.6", "ApiVersion": "1.44", "Os": "linux", "Arch": "amd64",
            "Components": [{ "Name": "Podman Engine", "Version": "5.8.6" }],
        }),
    );
    let engine = connect(config(&fake)).await;
    fake.clear_requests();
    (fake, engine)
}

#[tokio::test]
async fn podman_is_told_to_stop_a_container_at_once_before_it_is_removed() {
    let (fake, engine) = podman().await;
    let container = running(&engine).await;
    fake.clear_requests();
    container.remove().await.unwrap();
    let requests = fake.requests();
    let sent: Vec<_> =
        requests.iter().map(|sent| (sent.method.as_str(), sent.path.as_str())).collect();
    let [(first, stop), (second, removal)] = sent[..] else { panic!("{sent:?}") };
    assert!(first == "POST" && stop.ends_with("/stop"), "{sent:?}");
    assert!(second == "DELETE" && removal.starts_with("/containers/"), "{sent:?}");
    assert_eq!(fake.leftovers(), [""; 0]);
}

#[tokio::test]
async fn an_image_that_is_missing_is_pulled_however_the_engine_says_so() {
    for words in [
        "No such image: redis:7",
        "redis:7: image not known",
        "image with reference redis:7 was found but does not match the specified platform",
        "image with reference redis:7 was found but does not provide the specified platform",
        "an answer that nobody knows yet",
    ] {
        let (fake, engine) = setup().await;
        fake.set_pullable("redis:7", PullScript::ok());
        fake.on("POST", "/containers/create").times(1).fail(404, words);
        drop(Container::builder("redis:7").with_engine(&engine).start().await.unwrap());
        assert_eq!(fake.count("POST", "/images/create"), 1, "{words}");
    }
}

#[tokio::test]
async fn another_thing_that_is_missing_is_no_reason_to_pull() {
    for (status, words) in [(404, "No such container: x"), (500, "No such container: x")] {
        let (fake, engine) = setup().await;
        fake.on("POST", "/containers/create").fail(status, words);
        let error = app(&engine).start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert_eq!(fake.count("POST", "/images/create"), 0);
    }
    // The image exists, so an unknown 404 must be about something else.
    let (fake, engine) = setup().await;
    fake.on("POST", "/containers/create").fail(404, "an answer that nobody knows yet");
    assert_eq!(app(&engine).start().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fake.count("POST", "/images/create"), 0);
}

#[tokio::test]
async fn a_free_port_that_another_process_takes_is_chosen_anew() {
    let (fake, engine) = setup().await;
    let taken = "listen tcp4 127.0.0.1:49153: bind: address already in use";
    fake.on("POST", "/containers/*/start").times(2).fail(500, taken);
    let container = app(&engine).with_port(80).without_wait().start().await.unwrap();
    assert_eq!(fake.count("POST", "/containers/create"), 3);
    assert_eq!(fake.leftovers(), [format!("container {}", container.name())]);

    // The attempts are limited, and a fixed port is not retried.
    fake.on("POST", "/containers/*/start").fail(500, taken);
    for (builder, creates) in
        [(app(&engine).with_port(80), 4), (app(&engine).with_fixed_port(49153, 80), 1)]
    {
        fake.clear_requests();
        let error = builder.without_wait().start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortTaken, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("a free one")), "{error:?}");
        assert_eq!(fake.count("POST", "/containers/create"), creates);
    }
}

#[tokio::test]
async fn a_free_port_that_is_taken_is_chosen_anew_by_every_start() {
    let (fake, engine) = setup().await;
    let taken = "Bind for 127.0.0.1:49153 failed: port is already allocated";
    let container = app(&engine).with_port(80).without_wait().create().await.unwrap();
    fake.on("POST", "/containers/*/start").times(3).fail(500, taken);
    container.start().await.unwrap();
    assert_eq!(fake.count("POST", "/containers/*/start"), 4);
    fake.on("POST", "/containers/*/restart").times(1).fail(500, taken);
    container.restart().await.unwrap();

    let fixed = app(&engine).with_fixed_port(49_153, 80).without_wait().create().await.unwrap();
    fake.clear_requests();
    fake.on("POST", "/containers/*/start").times(1).fail(500, taken);
    let error = fixed.start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::PortTaken, Some("start")), "{error:?}");
    assert_eq!(fake.count("POST", "/containers/*/start"), 1);
}

#[tokio::test]
async fn podman_is_never_asked_to_remove_an_image_by_force() {
    let (fake, engine) = podman().await;
    fake.on("GET", "/images/*/json").respond(200, json!({ "Id": "sha256:abc" }));
    fake.on("DELETE", "/images/*").fail(409, "image is in use by a container: somebody");
    let error = engine.images().remove(IMAGE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains("somebody"), "{error}");
    let requests = fake.requests();
    let removals: Vec<_> = requests.iter().filter(|sent| sent.method == "DELETE").collect();
    // A forced removal would also remove the containers, even running ones.
    assert!(!removals.is_empty() && removals.iter().all(|sent| sent.get("force") != "true"));

    // It reports "no such container" about another one that went meanwhile: the image still exists.
    fake.clear_rules();
    fake.on("GET", "/images/*/json").respond(200, json!({ "Id": "sha256:abc" }));
    fake.on("GET", "/containers/json").respond(200, json!([]));
    fake.on("DELETE", "/images/*").fail(500, "image could not be removed: no such container");
    let error = engine.images().remove(IMAGE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}

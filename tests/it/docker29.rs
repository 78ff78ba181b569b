//! Docker 29: API 1.53, with 1.44 as the oldest supported version, and the containerd store.

use castoff::dockerfile::{Dockerfile, Stage};
use castoff::engine::ApiVersion;
use castoff::image::BuildBackend;
use castoff::{Engine, ErrorKind, Network};
use serde_json::json;

use crate::fake::FakeEngine;
use crate::support::*;

async fn docker29() -> (FakeEngine, Engine) {
    let fake = FakeEngine::start();
    fake.add_image(IMAGE);
    fake.set_api_version("1.53");
    fake.set_info(&json!({
        "ServerVersion": "29.0.0", "Driver": "overlayfs",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    }));
    let engine = connect(config(&fake)).await;
    fake.clear_requests();
    (fake, engine)
}

#[tokio::test]
async fn every_call_of_a_containers_life_is_of_a_version_that_it_speaks() {
    let (fake, engine) = docker29().await;
    assert_eq!(engine.api_version(), ApiVersion::new(1, 53));
    let one = Network::builder().with_engine(&engine).create().await.unwrap();
    let two = Network::builder().with_engine(&engine).create().await.unwrap();
    let container = app(&engine).with_network(&one, "a").with_network(&two, "b");
    let container = container.start().await.unwrap();
    container.logs().text().await.unwrap();
    container.stop().await.unwrap();
    drop((container, one, two));
    nothing_left(&fake).await;
    let refused: Vec<_> = fake.requests().into_iter().filter(|r| r.status == Some(400)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(fake.count("POST", "/networks/*/connect"), 0, "both are in the create call");
}

#[cfg(feature = "buildkit")]
#[tokio::test]
async fn a_build_names_the_endpoint_that_the_engine_no_longer_has() {
    for status in [404, 410] {
        let (fake, engine) = docker29().await;
        fake.on("POST", "/session").fail(status, "page not found");
        fake.on("POST", "/grpc").fail(status, "page not found");
        let file = Dockerfile::new().stage(Stage::from_image(IMAGE).label("a", "b"));
        let build = file.builder().with_engine(&engine).with_backend(BuildBackend::BuildKit);
        let error = build.build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert_eq!(error.status(), Some(status), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("`/session`") && text.contains("API 1.53"), "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        assert_eq!(fake.leftovers(), [""; 0]);
    }
}

#[cfg(feature = "buildkit")]
#[tokio::test]
async fn a_build_goes_over_the_socket_itself_where_the_endpoints_are_gone() {
    let (fake, engine) = docker29().await;
    fake.speak_grpc();
    fake.on("POST", "/session").fail(404, "page not found");
    fake.on("POST", "/grpc").fail(404, "page not found");
    let file = Dockerfile::new().stage(Stage::from_image(IMAGE).label("a", "b"));
    let build = file
        .builder()
        .with_engine(&engine)
        .with_backend(BuildBackend::BuildKit)
        .with_secret("token", "hunter2");
    let image = build.build().await.unwrap();
    let found = engine.images().inspect(image.id()).await.unwrap();
    let secret = found.labels.get("fake.secret").map(String::as_str);
    assert_eq!(secret, Some("hunter2"), "BuildKit has had it over the session");
    drop(image);
    nothing_left(&fake).await;
}

#[cfg(feature = "buildkit")]
#[tokio::test]
async fn a_build_that_the_classic_builder_can_do_is_done_by_it_where_the_endpoints_are_gone() {
    let (fake, engine) = docker29().await;
    fake.on("POST", "/session").fail(410, "gone");
    let file = Dockerfile::new().stage(Stage::from_image(IMAGE).label("a", "b"));
    drop(file.builder().with_engine(&engine).build().await.unwrap());
    assert_eq!(fake.count("POST", "/build"), 1);
}

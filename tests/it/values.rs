//! Properties of all handles and builders: clones, plain values in and out, lists, streams.

use castoff::engine::Endpoint;
use castoff::spec::{ContainerSpec, NetworkSpec, Platform, Port, VolumeSpec};
use castoff::{
    ContainerBuilder, Engine, ErrorKind, Image, Network, NetworkBuilder, Volume, VolumeBuilder,
};
use futures_util::TryStreamExt;

use crate::fake::ExecScript;
use crate::support::*;

#[tokio::test]
async fn a_network_and_a_volume_go_with_their_last_clone() {
    let (fake, engine) = setup().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
    assert_eq!(volume.id(), volume.name());
    let clones = (network.clone(), volume.clone());
    assert_eq!((clones.0.id(), clones.1.id()), (network.id(), volume.id()));
    let id = network.id().to_owned();
    drop((network, volume));
    assert!(fake.networks().iter().any(|one| one.id == id), "a clone holds it");
    assert_eq!(fake.volumes().len(), 1);
    drop(clones);
    fake.wait_until(is_empty, LONG);
}

#[tokio::test]
async fn builders_begin_with_plain_values() {
    let (fake, engine) = setup().await;
    let mut spec = NetworkSpec::new();
    spec.name = Some("planned".into());
    let network = NetworkBuilder::from_spec(spec.clone());
    assert_eq!(network.spec(), &spec);
    let network = network.with_engine(&engine).create().await.unwrap();
    assert_eq!(network.name(), "planned");

    let spec = VolumeSpec::new().with_name("data");
    let volume = VolumeBuilder::from_spec(spec.clone());
    assert_eq!(volume.spec(), &spec);
    let volume = volume.with_engine(&engine).create().await.unwrap();

    let mut spec = ContainerSpec::new(IMAGE);
    spec.env.insert("PLANNED".into(), "yes".into());
    let container = ContainerBuilder::from_spec(spec).with_engine(&engine).with_env("MORE", "too");
    let container = container.without_wait().start().await.unwrap();
    let env = container.inspect().await.unwrap().env;
    assert_eq!((env["PLANNED"].as_str(), env["MORE"].as_str()), ("yes", "too"));
    drop((container, network, volume));
    fake.wait_until(is_empty, LONG);
}

#[tokio::test]
async fn networks_and_volumes_are_listed_by_label() {
    let (_fake, engine) = setup().await;
    let labelled = |value: &str| {
        let network = Network::builder().with_engine(&engine).with_label("team", value);
        let volume = Volume::builder().with_engine(&engine).with_label("team", value);
        (network.with_internal(), volume)
    };
    let (network, volume) = labelled("a");
    let a = (network.create().await.unwrap(), volume.create().await.unwrap());
    let (network, volume) = labelled("b");
    let b = (network.create().await.unwrap(), volume.create().await.unwrap());

    let found = engine.networks().with_label("team=a").await.unwrap();
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.id.as_str(), one.name.as_str(), one.internal), (a.0.id(), a.0.name(), true));
    assert_eq!(one.labels["team"], "a");
    let all = engine.networks().list().await.unwrap();
    assert!(all.iter().any(|one| one.name == "bridge") && all.iter().any(|one| one.id == b.0.id()));

    let found = engine.volumes().with_label("team=b").with_label("castoff.owner").await.unwrap();
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.name.as_str(), one.driver.as_str()), (b.1.name(), "local"));
    assert_eq!(engine.volumes().list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_endpoint_is_given_as_such_or_as_text() {
    let (fake, engine) = setup().await;
    let endpoint: Endpoint = fake.endpoint().parse().unwrap();
    assert_eq!(engine.endpoint(), &endpoint);
    let text = fake.endpoint();
    for connected in [
        Engine::connect_to(endpoint.clone()).await,
        Engine::connect_to(text.as_str()).await,
        Engine::connect_to(&text).await,
        Engine::connect_to(text.clone()).await,
    ] {
        assert_eq!(connected.unwrap().endpoint(), &endpoint);
    }
    let error = Engine::connect_to("nowhere").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_output_of_a_command_is_a_stream() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    fake.on_exec("say", ExecScript::exit(0).stdout("one").stderr("two"));
    let stream = container.exec(["say"]).stream().await.unwrap();
    let frames: Vec<_> = stream.try_collect().await.unwrap();
    let text: Vec<_> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    assert_eq!(text, [b"one", b"two"]);
}

#[tokio::test]
async fn a_platform_is_given_as_such_or_as_text() {
    let (_fake, engine) = setup().await;
    let arm = Platform::new("linux", "arm64");
    let spec = |builder: ContainerBuilder| builder.spec().platform.clone();
    assert_eq!(spec(app(&engine).with_platform("linux/aarch64")), Some(arm.clone()));
    assert_eq!(spec(app(&engine).with_platform(&arm)), Some(arm));

    let none = Platform::new("linux", "");
    for error in [
        app(&engine).with_platform(&none).start().await.map(drop),
        engine.images().pull(IMAGE).with_platform(&none).await,
        Image::builder(".").with_engine(&engine).with_platform("a/b/c/d").build().await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("invalid platform"), "{error}");
    }
}

#[tokio::test]
async fn details_have_castoffs_own_values() {
    let (fake, engine) = setup().await;
    let config = serde_json::json!({
        "Env": ["PATH=/bin", "PAIR=a=b"], "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
    });
    fake.add_image_with("detailed:1", &config);
    let image = engine.images().inspect("detailed:1").await.unwrap();
    assert_eq!((image.env["PATH"].as_str(), image.env["PAIR"].as_str()), ("/bin", "a=b"));
    assert_eq!(image.exposed_ports, [Port::udp(53).unwrap(), Port::tcp(80).unwrap()]);

    let container = app(&engine).with_env("PAIR", "a=b").without_wait().start().await.unwrap();
    assert_eq!(container.inspect().await.unwrap().env["PAIR"], "a=b");
}

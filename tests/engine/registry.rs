//! Images in a real registry: pushed, read, pulled, deleted, and read by another program.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use castoff::config::Config;
use castoff::dockerfile::{Dockerfile, Stage};
use castoff::image::BuildContext;
use castoff::registry::Registry;
use castoff::{Container, Engine, ErrorKind, Image, Network};
use castoff_modules::DockerRegistryServer;
use serde_json::Value;

use crate::build::{says, stage};
use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, engine, eventually, unique};

const SKOPEO: &str = "castoff.test/skopeo";
const USER: &str = "ann";
const PASSWORD: &str = "s3same-0pen";

async fn server() -> DockerRegistryServer {
    castoff_modules::DockerRegistry::new().with_user(USER, PASSWORD).start().await.unwrap()
}

/// Returns an engine that has the login for a registry, as after `docker login`.
async fn logged_in(host: &str, password: &str) -> Engine {
    let login = [USER, password].join(":");
    let login =
        format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{}\"}}}}}}", STANDARD.encode(&login));
    let mut config = Config::from_env();
    config.auth_config = Some(login);
    Engine::connect_with(config).await.unwrap()
}

/// Returns an image without an operating system: one file, for any platform.
async fn service(engine: &Engine, platform: &str) -> Image {
    let file =
        Stage::scratch().label("test", unique("service")).copy("service", "/").cmd(["/service"]);
    let context = BuildContext::empty().with_file("service", format!("for {platform}"));
    let builder =
        Dockerfile::new().stage(file).builder().with_context(context).with_platform(platform);
    builder.with_engine(engine).build().await.unwrap()
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn two_platforms_under_one_name_are_read_back_by_others() {
    if differences::wants_tls_of_registries(&engine().await) {
        return;
    }
    let network = Network::create().await.unwrap();
    let server = castoff_modules::DockerRegistry::new()
        .with_user(USER, PASSWORD)
        .customize(|container| container.with_network(&network, "registry"))
        .start()
        .await
        .unwrap();
    let host = server.addr().to_string();
    let engine = logged_in(&host, PASSWORD).await;
    let mut digests = Vec::new();
    for (platform, tag) in [("linux/amd64", "amd64"), ("linux/arm64", "arm64")] {
        let image = service(&engine, platform).await;
        assert!(image.inspect().await.unwrap().platform.unwrap().to_string().starts_with(platform));
        digests.push(image.push(server.name_for(&format!("team/service:{tag}"))).await.unwrap());
    }
    let registry = Registry::new(&host).with_login(USER, PASSWORD);
    let index = registry.push_index("team/service:1.0", &digests).await.unwrap();

    let found = registry.inspect("team/service:1.0").await.unwrap();
    assert_eq!((&found.digest, found.layers.len()), (&index, 0));
    let read: Vec<_> = found.platforms.iter().map(|one| one.platform.to_string()).collect();
    assert_eq!(read, ["linux/amd64", "linux/arm64"]);
    let read: Vec<_> = found.platforms.iter().map(|one| one.digest.clone()).collect();
    assert_eq!(read, digests);
    assert!(found.to_string().contains(&format!("linux/arm64      {}", digests[1])), "{found}");

    let skopeo = async |args: &[&str], platform: &[&str]| {
        let login = format!("--creds={USER}:{PASSWORD}");
        let command = platform.iter().chain(args).copied().chain(["--tls-verify=false", &login]);
        let command = command.chain(["docker://registry:5000/team/service:1.0"]);
        let skopeo = Container::builder(SKOPEO).with_network(&network, "skopeo");
        let output = skopeo.with_command(command).run().await.unwrap();
        assert!(output.success(), "{}", output.stderr_text());
        output.stdout_text().into_owned()
    };
    let raw: Value = serde_json::from_str(&skopeo(&["inspect", "--raw"], &[]).await).unwrap();
    let platforms: Vec<_> = raw["manifests"].as_array().unwrap().iter().collect();
    assert_eq!(platforms[0]["digest"], digests[0].as_str());
    assert_eq!(platforms[1]["platform"]["architecture"], "arm64");
    for platform in ["amd64", "arm64"] {
        let text = skopeo(&["inspect"], &["--override-arch", platform]).await;
        let one: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&one["Architecture"], &one["Os"]), (&platform.into(), &"linux".into()));
        assert_eq!(one["Digest"], index.as_str());
    }

    // The engine takes the image of its own platform.
    let name = server.name_for(&format!("team/service@{index}"));
    engine.images().pull(&name).await.unwrap();
    let pulled = engine.images().inspect(&name).await.unwrap();
    assert_eq!(pulled.platform.unwrap().architecture, engine.architecture());
    engine.images().remove(&name).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn pushed_listed_pulled_by_digest_and_deleted() {
    if differences::wants_tls_of_registries(&engine().await) {
        return;
    }
    let server = server().await;
    let host = server.addr().to_string();
    let engine = logged_in(&host, PASSWORD).await;
    let registry = engine.registry(&host).await;
    registry.check().await.unwrap();
    let repository = format!("{}app", server.unique_prefix());
    let image = Dockerfile::new().stage(stage("push").run("echo built > /built"));
    let image = image.builder().with_engine(&engine).build().await.unwrap();
    let layers = image.inspect().await.unwrap().layers.len();
    let digest = image.push(server.name_for(&format!("{repository}:1"))).await.unwrap();
    assert_eq!(image.push(server.name_for(&format!("{repository}:2"))).await.unwrap(), digest);
    let mut tags = registry.tags(&repository).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["1", "2"]);
    assert_eq!(registry.digest(format!("{repository}:1")).await.unwrap().as_ref(), Some(&digest));
    assert_eq!(registry.digest(format!("{repository}:9")).await.unwrap(), None);
    let found = registry.inspect(format!("{repository}@{digest}")).await.unwrap();
    let config = found.config.unwrap();
    assert_eq!(found.layers.len(), layers);
    assert!(config.labels.contains_key("test"), "{config:?}");
    image.remove().await.unwrap();

    let name = server.name_for(&format!("{repository}@{digest}"));
    engine.images().pull(&name).await.unwrap();
    let output =
        Container::builder(&name).with_engine(&engine).with_command(["cat", "/built"]).run().await;
    assert_eq!(output.unwrap().stdout_text().trim(), "built");
    engine.images().remove(&name).await.unwrap();

    registry.delete(format!("{repository}:1")).await.unwrap();
    let error = registry.inspect(format!("{repository}:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error}");
    assert_eq!(
        registry.digest(format!("{repository}:2")).await.unwrap(),
        None,
        "the same manifest"
    );
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_wrong_login_is_told_and_not_shown() {
    if differences::wants_tls_of_registries(&engine().await) {
        return;
    }
    let server = server().await;
    let host = server.addr().to_string();
    let name = server.name_for("team/app:1");
    let wrong = logged_in(&host, "wr0ng-word").await;
    let image = service(&wrong, "linux/amd64").await;
    for error in [
        wrong.registry(&host).await.check().await.unwrap_err(),
        Registry::new(&host).check().await.unwrap_err(),
        Registry::new(&host).inspect("team/app").await.unwrap_err(),
        image.push(&name).await.unwrap_err(),
        wrong.images().pull(&name).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ImageDenied, "{error:?}");
        assert!(!format!("{error:?}").contains("wr0ng-word"), "{error:?}");
    }
    let raw = Raw::of(&wrong);
    let status = || raw.call("GET", &format!("/images/{name}/json"), None).0;
    assert_eq!(status(), 200);
    drop(image);
    eventually("the name goes with the image", async || status() == 404).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_is_verified() {
    let module = || {
        castoff_modules::DockerRegistry::new()
            .with_user(USER, PASSWORD)
            .with_tls_names(["registry"])
    };
    let (server, other) = tokio::try_join!(module().start(), module().start()).unwrap();
    let host = server.addr().to_string();
    let certificate = |server: &DockerRegistryServer| server.ca_certificate().unwrap().to_owned();
    let registry =
        Registry::new(&host).with_login(USER, PASSWORD).with_certificate(certificate(&server));
    registry.check().await.unwrap();
    let stranger =
        Registry::new(&host).with_login(USER, PASSWORD).with_certificate(certificate(&other));
    let error = stranger.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(format!("{error:?}").contains("invalid peer certificate"), "{error:?}");
    let plain = Registry::new(&host).with_login(USER, PASSWORD).check().await.unwrap_err();
    assert!(plain.to_string().contains("400"), "{plain}");

    // Docker does not verify registries on this machine.
    let engine = logged_in(&host, PASSWORD).await;
    if differences::is_podman(&engine) {
        return;
    }
    let image = service(&engine, "linux/arm64").await;
    let digest = image.push(server.name_for("team/app:1")).await.unwrap();
    let found = registry.inspect("team/app:1").await.unwrap();
    assert_eq!(found.digest, digest);
    assert_eq!(found.platforms[0].platform.to_string(), "linux/arm64");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_base_that_a_registry_has_not_for_a_platform_is_told_with_what_it_has() {
    if differences::wants_tls_of_registries(&engine().await) {
        return;
    }
    let server = server().await;
    let host = server.addr().to_string();
    let engine = logged_in(&host, PASSWORD).await;
    let name = server.name_for("team/base:1");
    let base = Dockerfile::new().stage(stage("base").run("echo base > /base"));
    let base = base.builder().with_engine(&engine).build().await.unwrap();
    base.push(&name).await.unwrap();
    base.remove().await.unwrap();
    let derived = |platform: &str| {
        let file = Dockerfile::new().stage(Stage::from_image(&name).run("cat /base"));
        file.builder().with_engine(&engine).with_platform(platform)
    };
    let error = derived("linux/s390x").build().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::ImageNotFound, Some("preflight")));
    let here = format!("linux/{}", engine.architecture());
    assert!(error.hint().unwrap().contains(&here), "{error:?}");
    assert!(error.log_tail().is_empty(), "{error:?}");
    let image = derived(&here).build().await.unwrap();
    assert_eq!(says(&image, &["cat", "/base"]).await, "base");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_cache_in_a_registry_serves_an_engine_that_has_lost_its_own() {
    let server = server().await;
    let host = server.addr().to_string();
    let engine = logged_in(&host, PASSWORD).await;
    if differences::is_podman(&engine) {
        return;
    }
    let name = server.name_for("team/cached:1");
    let label = unique("inline");
    let step = format!("head -c 16 /dev/urandom > /id-{label}");
    // Docker stores the cache in the image, and with a containerd store also beside it.
    let beside = differences::has_containerd_store(&Raw::of(&engine));
    let built = async |with_cache: bool| {
        let file = Stage::from_image(BUSYBOX).label("test", &label).run(&step);
        let builder = Dockerfile::new().stage(file).builder().with_engine(&engine);
        let builder = match (with_cache, beside) {
            (true, _) => builder.with_cache_from(&name),
            (false, true) => builder.with_cache_to(&name),
            (false, false) => builder.with_inline_cache(),
        };
        builder.build().await.unwrap()
    };
    let command = format!("cat /id-{label}");
    let first = built(false).await;
    let id = says(&first, &["sh", "-c", &command]).await;
    if !beside {
        first.push(&name).await.unwrap();
    }
    first.remove().await.unwrap();
    let raw = Raw::of(&engine);
    eventually("the step is forgotten", async || forget(&raw, &label)).await;
    let second = built(true).await;
    // The step writes something else at each run.
    assert_eq!(says(&second, &["sh", "-c", &command]).await, id);
    let cached = second.report().cached(&format!("RUN {step}"));
    assert_eq!(cached, Some(true), "{}", second.report());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_cache_in_a_directory_serves_an_engine_that_has_lost_its_own() {
    let engine = engine().await;
    if differences::is_podman(&engine) {
        return;
    }
    let raw = Raw::of(&engine);
    let (label, place) = (unique("directory"), tempfile::tempdir().unwrap());
    let path = place.path().join("cache").to_str().unwrap().to_owned();
    let step = format!("head -c 16 /dev/urandom > /id-{label}");
    let build = || {
        let file = Stage::from_image(BUSYBOX).label("test", &label).run(&step);
        Dockerfile::new().stage(file).builder().with_cache_from_directory(&path)
    };
    let first = build().with_cache_to_directory(&path).build().await;
    if !differences::has_containerd_store(&raw) {
        let error = first.unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::Unsupported, Some("preflight")));
        assert!(error.hint().unwrap().contains("with_inline_cache"), "{error:?}");
        return;
    }
    let first = first.unwrap();
    let command = format!("cat /id-{label}");
    let id = says(&first, &["sh", "-c", &command]).await;
    first.remove().await.unwrap();
    eventually("the step is forgotten", async || forget(&raw, &label)).await;
    let second = build().build().await.unwrap();
    assert_eq!(says(&second, &["sh", "-c", &command]).await, id);
    assert_eq!(second.report().cached(&format!("RUN {step}")), Some(true), "{}", second.report());
    let left: Vec<_> = std::fs::read_dir(place.path().join("cache/ingest")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Removes the records of one step from the engine's build cache, and no others. Returns whether
/// there were any; an engine that is removing records may not report it.
fn forget(raw: &Raw, step: &str) -> bool {
    let (_, usage) = raw.call("GET", "/system/df", None);
    let records = usage["BuildCache"].as_array().cloned().unwrap_or_default();
    let own = |record: &&Value| record["Description"].as_str().unwrap_or_default().contains(step);
    let mut gone = 0;
    for record in records.iter().filter(own) {
        let id = record["ID"].as_str().unwrap();
        let filters = format!("%7B%22id%22:%5B%22{id}%22%5D%7D");
        let path = format!("/build/prune?all=1&filters={filters}");
        let (_, answer) = raw.call("POST", &path, None);
        gone += answer["CachesDeleted"].as_array().map_or(0, Vec::len);
    }
    gone > 0
}

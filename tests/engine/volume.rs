//! Volumes: they outlive a container, and their content is removed with them.

use castoff::{Container, ErrorKind, Volume};

use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, engine, printed, sh, sleeper, unique};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn data_outlives_its_container() {
    let volume = Volume::create().await.unwrap();
    let with = || Container::builder(BUSYBOX).with_volume(&volume, "/data");
    printed(with(), "echo hello > /data/greeting").await;
    assert_eq!(printed(with(), "cat /data/greeting").await, "hello");
    let raw = Raw::of(volume.engine());
    let path = format!("volumes/{}", volume.name());
    volume.remove().await.unwrap();
    assert!(raw.inspect(&path).is_none());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_tmpfs_volume_is_memory_of_a_size() {
    let sized = differences::sizes_tmpfs_volumes(&engine().await);
    let volume = Volume::tmpfs(sized.then_some(2 << 20)).create().await.unwrap();
    let start = || sleeper().with_volume(&volume, "/data").start();
    let (one, two) = tokio::try_join!(start(), start()).unwrap();
    assert_eq!(sh(&one, "grep -c ' /data tmpfs ' /proc/mounts").await, "1");
    let size = sh(&one, "df -k /data | tail -n 1 | awk '{print $2}'").await;
    assert_eq!(size == "2048", sized, "{size}");
    sh(&one, "echo shared > /data/file").await;
    assert_eq!(sh(&two, "cat /data/file").await, "shared");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn labels_driver_and_name_reach_the_engine() {
    let name = unique("volume");
    let builder = Volume::builder().with_name(&name).with_label("team", "a").with_driver("local");
    let volume = builder.with_option("type", "tmpfs").with_option("device", "tmpfs");
    let volume = volume.create().await.unwrap();
    let raw = Raw::of(volume.engine()).inspect(&format!("volumes/{name}")).unwrap();
    assert_eq!((&raw["Driver"], &raw["Labels"]["team"]), (&"local".into(), &"a".into()));
    assert_eq!(raw["Options"]["type"], "tmpfs");
    assert!(raw["Labels"]["castoff.owner"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_foreign_volume_of_that_name_is_a_conflict_and_stays() {
    let engine = engine().await;
    let name = unique("volume");
    let foreign = Raw::of(&engine).foreign_volume(&name);
    let error = Volume::builder().with_name(&name).create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
    // The next removal goes through the same thread: all earlier ones are done after it.
    Volume::create().await.unwrap().remove().await.unwrap();
    assert!(foreign.exists());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_volume_goes_after_its_containers_whatever_is_dropped_first() {
    let raw = Raw::of(&engine().await);
    let volume = Volume::create().await.unwrap();
    let path = format!("volumes/{}", volume.name());
    let container = sleeper().with_volume(&volume, "/data").start().await.unwrap();
    drop(volume);
    sh(&container, "echo still > /data/there").await;
    assert!(raw.inspect(&path).is_some());
    drop(container);
    raw.until_gone(&path);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_volume_that_the_engine_makes_again_for_a_container_is_removed_with_the_handle() {
    let engine = engine().await;
    let labels = differences::labels_volumes_made_for_containers(&engine);
    let raw = Raw::of(&engine);
    let volume = Volume::create().await.unwrap();
    let path = format!("volumes/{}", volume.name());
    let made_as = raw.inspect(&path).unwrap()["Labels"].clone();
    assert!(raw.remove(&path));
    let container = sleeper().with_volume(&volume, "/data").start().await.unwrap();
    let made_again = raw.inspect(&path).unwrap()["Labels"].clone();
    for label in ["castoff.owner", "castoff.session", "castoff.resource"] {
        assert_eq!(made_again[label] == made_as[label], labels, "{label}");
    }
    drop((container, volume));
    raw.until_gone(&path);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_name_is_free_again_after_a_drop() {
    let name = unique("volume");
    for n in 0..3 {
        let volume = Volume::builder().with_name(&name).create().await.unwrap();
        let builder = Container::builder(BUSYBOX).with_volume(&volume, "/data");
        let lines = format!("cat /data/file 2>/dev/null; echo {n} > /data/file");
        assert_eq!(printed(builder, &lines).await, "", "a new one each time");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn anonymous_volumes_go_with_their_container() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let redis = Container::builder(crate::support::REDIS).without_wait().start().await.unwrap();
    let inspect = raw.inspect(&format!("containers/{}", redis.id())).unwrap();
    let mounts = inspect["Mounts"].as_array().unwrap();
    let name = mounts.iter().find(|m| m["Destination"] == "/data").unwrap()["Name"].clone();
    let path = format!("volumes/{}", name.as_str().unwrap());
    assert!(raw.inspect(&path).is_some());
    redis.remove().await.unwrap();
    raw.until_gone(&path);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bad_values_are_refused() {
    let error = Volume::builder().with_name("a/b").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"a/b\""), "{error}");
}

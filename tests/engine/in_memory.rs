//! Copies into memory: tmpfs mounts and volumes, links to them, and nested ones.

use std::os::unix::fs::symlink;

use castoff::spec::Mount;
use castoff::{CopySource, ErrorKind, Volume, WaitFor};

use crate::support::{sh, sleeper};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_goes_into_a_volume_in_memory_is_there() {
    let volume = Volume::tmpfs(None).create().await.unwrap();
    let container = sleeper()
        .with_volume(&volume, "/data")
        .with_copy(CopySource::bytes("early").with_mode(0o600).with_owner(7, 8), "/data/a/early")
        .with_wait(WaitFor::file("/data/a/early"))
        .start()
        .await
        .unwrap();
    let seen = sh(&container, "stat -c '%a %u:%g' /data/a/early; cat /data/a/early").await;
    assert_eq!(seen, "600 7:8\nearly");
    container.copy_to(b"late", "/data/late").await.unwrap();
    assert_eq!(sh(&container, "cat /data/late").await, "late");
    assert_eq!(container.read_file("/data/late").await.unwrap(), b"late");

    // While no container has it mounted, no file would stay in it.
    container.stop().await.unwrap();
    let error = container.copy_to(b"x", "/data/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(format!("{error:?}").contains("volume in memory"), "{error:?}");
    let named = sleeper().with_mount(Mount::volume(volume.name(), "/data"));
    let error = named.with_copy(b"x", "/data/x").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn mounts_below_mounts_take_what_is_theirs() {
    let (memory, disk) = tokio::try_join!(Volume::tmpfs(None).create(), Volume::create()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir_all(tree.join("cache/sub")).unwrap();
    std::fs::write(tree.join("cache/sub/file"), "deep").unwrap();
    std::fs::write(tree.join("file"), "flat").unwrap();
    let container = sleeper()
        .with_volume(&disk, "/disk")
        .with_tmpfs("/disk/cache")
        .with_volume(&memory, "/disk/cache/volume")
        .with_tmpfs("/memory")
        .with_mount(Mount::volume("", "/memory/disk"))
        .with_copy(tree.as_path(), "/disk")
        .with_copy(b"volume", "/disk/cache/volume/file")
        .with_copy(b"kept", "/memory/disk/file")
        .start()
        .await
        .unwrap();
    let lines = "cd /disk && cat cache/sub/file file cache/volume/file /memory/disk/file";
    assert_eq!(sh(&container, lines).await, "deepflatvolumekept");
    container.copy_to(tree.as_path(), "/disk/").await.unwrap();
    assert_eq!(sh(&container, "cat /disk/tree/cache/sub/file").await, "deep");
    let back = container.copy_from("/disk", dir.path().join("back")).await.unwrap();
    assert_eq!(std::fs::read(back.join("cache/sub/file")).unwrap(), b"deep");
    assert_eq!(std::fs::read(back.join("cache/volume/file")).unwrap(), b"volume");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_tmpfs_is_reached_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let links = dir.path().join("links");
    std::fs::create_dir(&links).unwrap();
    symlink("/memory", links.join("absolute")).unwrap();
    symlink("../../memory/sub", links.join("relative")).unwrap();
    symlink("/memory/early", links.join("file")).unwrap();
    let container = sleeper()
        .with_tmpfs("/memory")
        .with_copy(links.as_path(), "/srv/")
        .with_copy(b"early", "/srv/links/absolute/early")
        .with_wait(WaitFor::file("/srv/links/absolute/early"))
        .start()
        .await
        .unwrap();
    assert_eq!(sh(&container, "cat /memory/early").await, "early");
    sh(&container, "mkdir /memory/sub; ln -s early /memory/link").await;
    container.copy_to(b"late", "/srv/links/relative/late").await.unwrap();
    assert_eq!(sh(&container, "cat /memory/sub/late").await, "late");
    for (path, content) in [
        ("/srv/links/relative/late", "late"),
        ("/srv/links/file", "early"),
        ("/memory/link", "early"),
    ] {
        assert_eq!(container.read_file(path).await.unwrap(), content.as_bytes(), "{path}");
    }
    let back = container.copy_from("/srv/links/absolute/early", dir.path()).await.unwrap();
    assert_eq!(std::fs::read(back).unwrap(), b"early");

    let linked = sleeper().with_tmpfs("/memory").with_copy(links.as_path(), "/srv/");
    let error = linked.with_copy(b"x", "/srv/links/absolute/x").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
}

#[cfg(feature = "unstable-bollard")]
#[tokio::test]
#[ignore = "needs a container engine"]
async fn mounts_of_a_raw_edit_count_as_well() {
    let volume = Volume::tmpfs(None).create().await.unwrap();
    let name = volume.name().to_owned();
    let container = sleeper().with_raw(move |body| {
        let host = body.host_config.get_or_insert_default();
        host.tmpfs.get_or_insert_default().insert("/memory".to_owned(), String::new());
        host.binds.get_or_insert_default().push(format!("{name}:/volume"));
    });
    let container = container
        .with_copy(b"early", "/memory/early")
        .with_copy(b"volume", "/volume/early")
        .start()
        .await
        .unwrap();
    container.copy_to(b"late", "/memory/late").await.unwrap();
    let seen = sh(&container, "cat /memory/early /memory/late /volume/early").await;
    assert_eq!(seen, "earlylatevolume");
    assert_eq!(container.read_file("/memory/late").await.unwrap(), b"late");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn below_a_root_that_is_read_only() {
    let container = sleeper()
        .with_read_only_root()
        .with_tmpfs("/memory")
        .with_mount(Mount::volume("", "/disk"))
        .with_copy(b"early", "/memory/early")
        .with_copy(b"disk", "/disk/file")
        .start()
        .await
        .unwrap();
    container.copy_to(b"late", "/memory/late").await.unwrap();
    assert_eq!(sh(&container, "cat /memory/early /memory/late /disk/file").await, "earlylatedisk");
    assert_eq!(container.read_file("/memory/late").await.unwrap(), b"late");
    container.copy_to(b"x", "/etc/x").await.unwrap_err();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_every_container_has_in_memory() {
    let container =
        sleeper().with_copy(b"early", "/dev/shm/early").with_wait(WaitFor::file("/dev/shm/early"));
    let container = container.start().await.unwrap();
    container.copy_to(b"late", "/dev/shm/late").await.unwrap();
    assert_eq!(sh(&container, "cat /dev/shm/early /dev/shm/late").await, "earlylate");
    let error = container.read_file_up_to("/dev/shm/early", 4).await.unwrap_err();
    assert!(format!("{error:?}").contains("more than the 4 bytes"), "{error:?}");
    assert_eq!(container.read_file_up_to("/dev/shm/early", 5).await.unwrap(), b"early");
    // The kernel's files do not report their length.
    assert_eq!(container.read_file("/proc/1/comm").await.unwrap(), b"sleep\n");
    let dir = tempfile::tempdir().unwrap();
    let error = container.copy_from("/proc/1/comm", dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}

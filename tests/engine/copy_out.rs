//! Copies of files out of containers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use castoff::{Container, ErrorKind};

use crate::copy::mode;
use crate::support::{NOSHELL, sh, sleeper};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_file_comes_out_under_its_new_name_or_its_own() {
    let container = sleeper().start().await.unwrap();
    sh(&container, "echo hello > /tmp/file; chmod 640 /tmp/file").await;
    let dir = tempfile::tempdir().unwrap();
    let place = container.copy_from("/tmp/file", dir.path().join("new")).await.unwrap();
    assert_eq!(place, dir.path().join("new"));
    assert_eq!(std::fs::read(&place).unwrap(), b"hello\n");
    assert_eq!(mode(&place), 0o640);
    let place = container.copy_from("/tmp/file", dir.path()).await.unwrap();
    assert_eq!(place, dir.path().join("file"));
    // A file replaces an existing file.
    sh(&container, "echo other > /tmp/file").await;
    container.copy_from("/tmp/file", &place).await.unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), b"other\n");
    assert_eq!(container.read_file("/tmp/file").await.unwrap(), b"other\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_contents_of_a_directory_come_out_without_it() {
    let container = sleeper().with_tmpfs("/memory").start().await.unwrap();
    let lines = "mkdir -p /$0 && cd /$0 && mkdir -p d/sub && echo one > d/a && echo two > d/sub/b && \
                 ln -s a d/l && touch -d '2001-02-03 04:05:06' d/sub && touch -d '2001-02-03 04:05:07' d";
    for place in ["srv", "memory"] {
        container.exec(["sh", "-c", lines, place]).await.unwrap().ok().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kept"), "kept").unwrap();
        for spelling in [format!("/{place}/d/."), format!("/{place}/./d/./")] {
            let at = container.copy_from(spelling, dir.path()).await.unwrap();
            assert_eq!(at, dir.path());
        }
        let new = dir.path().join("new");
        container.copy_from(format!("/{place}/d/."), &new).await.unwrap();
        for root in [dir.path(), &new] {
            assert_eq!(std::fs::read(root.join("a")).unwrap(), b"one\n");
            assert_eq!(std::fs::read(root.join("sub/b")).unwrap(), b"two\n");
            assert_eq!(std::fs::read_link(root.join("l")).unwrap(), Path::new("a"));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 5, "{place}");
        let seconds = |path: &Path| path.metadata().unwrap().mtime();
        assert_eq!((seconds(&new), seconds(&new.join("sub"))), (981_173_107, 981_173_106));

        let small = container.copy_from_up_to(format!("/{place}/d"), dir.path(), 7).await;
        assert_eq!(small.unwrap_err().kind(), ErrorKind::TooLarge);
        container.copy_from_up_to(format!("/{place}/d"), dir.path(), 8).await.unwrap();
    }
    let error = container.copy_from("/etc/passwd/.", "/tmp").await.unwrap_err();
    assert_eq!(error.step(), Some("copy"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn contents_come_out_whatever_their_directory_is_called() {
    let container = sleeper().start().await.unwrap();
    for name in ["dev", "proc", "sys", "a b", "[a]"] {
        let lines =
            format!("mkdir -p '/srv/{name}/{name}' && cd '/srv/{name}' && touch f '{name}/g'");
        sh(&container, &lines).await;
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        for to in [dir.path(), &new] {
            container.copy_from(format!("/srv/{name}/."), to).await.unwrap();
            assert!(to.join("f").is_file() && to.join(name).join("g").is_file(), "{name}");
        }
    }
    // A name is not a pattern.
    sh(
        &container,
        r"cd /srv && mkdir 'q?' 'b\x' && echo 1 > 'q?/f' && touch q1 a && echo 2 > 'b\x/f'",
    )
    .await;
    assert_eq!(container.read_file("/srv/q?/f").await.unwrap(), b"1\n");
    assert_eq!(container.read_file(r"/srv/b\x/f").await.unwrap(), b"2\n");
    container.read_file("/srv/?").await.unwrap_err();
    container.copy_to(b"3", "/srv/[a]/new/file").await.unwrap();
    assert_eq!(container.read_file("/srv/[a]/new/file").await.unwrap(), b"3");
    // Through a link, by `..`, and of the whole root.
    sh(&container, "ln -s dev /srv/link; mkdir /srv/dev/sub").await;
    for path in ["/srv/link/.", "/srv/dev/sub/../.", "/srv/dev/./."] {
        let dir = tempfile::tempdir().unwrap();
        container.copy_from(path, dir.path()).await.unwrap();
        assert!(dir.path().join("f").is_file() && dir.path().join("dev/g").is_file(), "{path}");
    }
    let noshell = Container::builder(NOSHELL).start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    noshell.copy_from("/", dir.path().join("root")).await.unwrap();
    assert!(dir.path().join("root/www").is_dir());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_stands_in_the_way_here_stays_as_it_is() {
    let container = sleeper().start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("passwd")).unwrap();
    std::fs::write(dir.path().join("passwd/mine"), "mine").unwrap();
    std::fs::write(dir.path().join("file"), "mine").unwrap();
    // A file onto a directory of that name, and a directory onto a file.
    for (from, to) in [("/etc/passwd", dir.path().to_owned()), ("/etc", dir.path().join("file"))] {
        let error = container.copy_from(from, &to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        assert!(format!("{error:?}").contains("exists already"), "{error:?}");
    }
    assert_eq!(std::fs::read(dir.path().join("passwd/mine")).unwrap(), b"mine");
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing half-made is left");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_path_that_is_missing_is_not_found() {
    let container = sleeper().start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = container.copy_from("/no/such/path", dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(format!("{error:?}").contains("/no/such/path"), "{error:?}");
    let error = container.read_file("/no/such/path").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = container.read_file("/etc").await.unwrap_err();
    assert!(error.to_string().contains("not a file"), "{error:?}");
    let missing = dir.path().join("no/such");
    let error = container.copy_from("/etc/passwd", missing.join("file")).await.unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_file_is_read_through_links() {
    let container = sleeper().start().await.unwrap();
    let lines = "mkdir -p /l/sub; echo hello > /l/file; ln -s ../file /l/sub/relative; \
                 ln -s /l/sub/relative /l/absolute; ln -s sub /l/middle; ln -s circle /l/circle";
    sh(&container, lines).await;
    for path in ["/l/sub/relative", "/l/absolute", "/l/middle/relative"] {
        assert_eq!(container.read_file(path).await.unwrap(), b"hello\n", "{path}");
    }
    container.read_file("/l/circle").await.unwrap_err();
    let error = container.read_file_up_to("/l/absolute", 5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(format!("{error:?}").contains("it has 6 bytes, at most 5"), "{error:?}");
    assert_eq!(container.read_file_up_to("/l/absolute", 6).await.unwrap(), b"hello\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_link_that_points_outside_stays_a_link() {
    let container = sleeper().start().await.unwrap();
    sh(&container, "mkdir /evil && ln -s /etc /evil/up && ln -s ../../../.. /evil/root").await;
    let dir = tempfile::tempdir().unwrap();
    let place = container.copy_from("/evil", dir.path().join("out")).await.unwrap();
    assert_eq!(std::fs::read_link(place.join("up")).unwrap(), Path::new("/etc"));
    assert_eq!(std::fs::read_link(place.join("root")).unwrap(), Path::new("../../../.."));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_link_leads_to_comes_out_under_its_name() {
    let container = sleeper().with_tmpfs("/memory").start().await.unwrap();
    let lines = "mkdir -p /srv/d /memory/d; echo disk > /srv/d/f; echo memory > /memory/d/f
        ln -s f /srv/d/l; ln -s d /srv/one; ln -s one /srv/two; ln -s /srv/d/f /srv/file
        ln -s /memory/three /srv/three; ln -s d /memory/three; ln -s circle /srv/circle";
    sh(&container, lines).await;
    let dir = tempfile::tempdir().unwrap();
    for (path, file, content) in [
        ("/srv/two", "f", "disk\n"),
        ("/srv/three", "f", "memory\n"),
        ("/memory/three/", "f", "memory\n"),
        ("/srv/file", "", "disk\n"),
        ("/srv/d/f", "", "disk\n"),
    ] {
        let into = tempfile::tempdir().unwrap();
        let at = container.copy_from_following_link(path, into.path()).await.unwrap();
        assert_eq!(at.file_name(), Path::new(path).file_name(), "{path}");
        assert_eq!(std::fs::read_to_string(at.join(file).components().as_path()).unwrap(), content);
    }
    let at = container.copy_from_following_link("/srv/two", dir.path().join("x")).await.unwrap();
    assert_eq!(std::fs::read_link(at.join("l")).unwrap(), Path::new("f"));
    // By default, the link itself is copied.
    let at = container.copy_from("/srv/two", dir.path()).await.unwrap();
    assert_eq!(std::fs::read_link(at).unwrap(), Path::new("one"));
    let error = container.copy_from_following_link("/srv/circle", dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    // The same for links in other places, and with other targets.
    let lines = "ln -s srv/../srv/d /top; mkdir /srv/e; cd /srv/e;
        ln -s /no/such/place none; ln -s ../one y";
    sh(&container, lines).await;
    let links =
        [("/top", "srv/../srv/d"), ("/srv/e/none", "/no/such/place"), ("/srv/e/y", "../one")];
    for (path, target) in links {
        let at = container.copy_from(path, dir.path()).await.unwrap();
        assert_eq!(std::fs::read_link(&at).unwrap(), Path::new(target), "{path}");
        assert_eq!(at.file_name(), Path::new(path).file_name());
    }
    let error = container.copy_from("/srv/e/missing", dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

//! Copies of files into containers, and round trips.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use castoff::{Container, CopySource, ErrorKind};
use sha2::{Digest, Sha256};

use crate::support::{NOSHELL, printed_by, sh, sleeper};

pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Returns a directory with a nested file, an executable and a link.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("tree");
    std::fs::create_dir_all(top.join("a/b")).unwrap();
    std::fs::create_dir(top.join("empty")).unwrap();
    std::fs::write(top.join("a/b/deep"), "deep\n").unwrap();
    std::fs::write(top.join("run.sh"), "#!/bin/sh\necho ran\n").unwrap();
    set_mode(&top.join("a/b/deep"), 0o640);
    set_mode(&top.join("run.sh"), 0o755);
    set_mode(&top.join("a"), 0o750);
    set_mode(&top.join("empty"), 0o700);
    symlink("a/b/deep", top.join("link")).unwrap();
    symlink("/nowhere", top.join("dangling")).unwrap();
    dir
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bytes_before_the_start() {
    let seen = printed_by(
        "cat /etc/app.conf /new/dir/file; stat -c '%a %u:%g' /etc/app.conf /new /new/dir /new/dir/file",
        |b| {
            b.with_copy(b"one\n", "/etc/app.conf").with_copy(
                CopySource::bytes("two\n").with_mode(0o600).with_owner(1000, 65534),
                "/new/dir/file",
            )
        },
    );
    assert_eq!(seen.await, "one\ntwo\n644 0:0\n755 1000:65534\n755 1000:65534\n600 1000:65534");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn files_keep_their_mode_and_may_get_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool");
    std::fs::write(&path, "#!/bin/sh\necho tool\n").unwrap();
    set_mode(&path, 0o750);
    let seen = printed_by("/bin/tool; stat -c %a /bin/tool /srv/tool /srv/other", |b| {
        b.with_copy(path.as_path(), "/bin/")
            .with_copy(path.clone(), "/srv/tool")
            .with_copy(CopySource::path(&path).with_mode(0o444), "/srv/other")
    });
    assert_eq!(seen.await, "tool\n750\n750\n444");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn directories_come_with_all_that_is_in_them() {
    let dir = tree();
    let top = dir.path().join("tree");
    let lines = "cd /srv/app && cat a/b/deep link && ./run.sh && readlink link && \
                 readlink dangling && stat -c '%n %a' a a/b/deep run.sh empty && ls /srv/app/tree";
    let seen = printed_by(lines, |b| {
        b.with_copy(top.as_path(), "/srv/app").with_copy(top.as_path(), "/srv/app/")
    });
    assert_eq!(
        seen.await,
        "deep\ndeep\nran\na/b/deep\n/nowhere\na 750\na/b/deep 640\nrun.sh 755\nempty 700\n\
         a\ndangling\nempty\nlink\nrun.sh"
    );
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_reader_of_a_given_length() {
    let container = sleeper().start().await.unwrap();
    let source = CopySource::reader(&b"0123456789"[..], 7);
    container.copy_to(source, "/tmp/part").await.unwrap();
    assert_eq!(sh(&container, "cat /tmp/part").await, "0123456");
    let short = CopySource::reader(&b"0123"[..], 7);
    let error = container.copy_to(short, "/tmp/short").await.unwrap_err();
    assert_eq!((error.step(), error.container()), (Some("copy"), Some(container.name())));
    assert!(format!("{error:?}").contains("3 bytes before its given length"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn into_a_running_container() {
    let container = sleeper().start().await.unwrap();
    container.copy_to(b"hello\n", "/a/b/c/file").await.unwrap();
    let seen = sh(&container, "cat /a/b/c/file; stat -c %a /a /a/b /a/b/c").await;
    assert_eq!(seen, "hello\n755\n755\n755");
    // An existing directory keeps its mode and owner.
    sh(&container, "mkdir /mine && chown app:app /mine && chmod 2770 /mine").await;
    container.copy_to(b"x", "/mine/sub/file").await.unwrap();
    assert_eq!(sh(&container, "stat -c '%a %U' /mine").await, "2770 app");
    // An existing file is replaced.
    container.copy_to(b"other\n", "/a/b/c/file").await.unwrap();
    assert_eq!(sh(&container, "cat /a/b/c/file").await, "other");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_source_that_is_missing_names_itself() {
    let error = sleeper().with_copy(Path::new("/no/such/thing"), "/x").start().await.unwrap_err();
    assert!(format!("{error:?}").contains("/no/such/thing"), "{error:?}");
    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, Some("copy")), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_is_there_is_never_replaced_by_something_of_another_kind() {
    let container = sleeper().start().await.unwrap();
    sh(&container, "mkdir -p /full/sub /real; echo kept > /full/sub/file; ln -s real /link").await;
    let tree = tree();
    for source in [CopySource::bytes("x"), CopySource::path(tree.path().join("tree/run.sh"))] {
        let error = container.copy_to(source, "/full").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(format!("{error:?}").contains("`/` at the end"), "{error:?}");
    }
    let error = container.copy_to(tree.path().join("tree"), "/link").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let error = container.copy_to(tree.path().join("tree"), "/full/sub/file").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(sh(&container, "cat /full/sub/file; readlink /link").await, "kept\nreal");

    // Copies into the directory, and through the link.
    container.copy_to(tree.path().join("tree/run.sh"), "/full/").await.unwrap();
    container.copy_to(CopySource::bytes("new"), "/link/file").await.unwrap();
    assert_eq!(sh(&container, "/full/run.sh; cat /real/file").await, "ran\nnew");
    let before = sleeper().with_copy(b"x", "/etc").start().await.unwrap_err();
    assert_eq!((before.kind(), before.step()), (ErrorKind::Conflict, Some("copy")), "{before:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_file_that_is_not_as_long_as_it_says_is_an_error_that_names_it() {
    let container = sleeper().start().await.unwrap();
    // Files of procfs report a size of 0, those of sysfs a full page.
    for (file, how) in [
        ("/proc/self/status", "longer"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "shorter"),
    ] {
        let error = container.copy_to(Path::new(file), "/copied").await.unwrap_err();
        let story = error.to_string();
        assert!(story.contains(file) && story.contains(how), "{story}");
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn directories_that_are_there_keep_their_mode_and_owner() {
    let dir = tree();
    let top = dir.path().join("tree");
    let container = sleeper().with_tmpfs("/memory").start().await.unwrap();
    for place in ["/srv/app", "/memory/app"] {
        let lines =
            format!("mkdir -p {place}/a && chown 7:8 {place} && chmod 2770 {place} {place}/a");
        sh(&container, &lines).await;
        for _ in 0..2 {
            container.copy_to(top.as_path(), place).await.unwrap();
            let lines = format!("cd {place} && stat -c '%a %u:%g' . a a/b empty && cat a/b/deep");
            let seen = "2770 7:8\n2770 0:0\n755 0:0\n700 0:0\ndeep";
            assert_eq!(sh(&container, &lines).await, seen, "{place}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_file_of_the_engines_own_is_not_lost_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hosts"), "192.0.2.1 me\n").unwrap();
    let files: [(CopySource, &str); 2] =
        [(CopySource::bytes("192.0.2.1 me\n"), "/etc/hosts"), (dir.path().into(), "/etc")];
    for (source, target) in files {
        let error = sleeper().with_copy(source, target).start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        assert!(format!("{error:?}").contains("with_extra_host"), "{error:?}");
    }
    let container = sleeper().with_extra_host("me", "192.0.2.1").start().await.unwrap();
    let hosts = container.read_file("/etc/hosts").await.unwrap();
    assert!(String::from_utf8(hosts).unwrap().contains("192.0.2.1"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn links_are_followed_where_that_is_asked_for() {
    let dir = tree();
    let top = dir.path().join("tree");
    std::fs::remove_file(top.join("dangling")).unwrap();
    symlink("a", top.join("other")).unwrap();
    symlink(&top, dir.path().join("link")).unwrap();
    let followed = || CopySource::path(dir.path().join("link")).with_followed_links();
    let container = sleeper()
        .with_tmpfs("/memory")
        .with_copy(dir.path().join("link"), "/srv/kept")
        .with_copy(followed(), "/srv/")
        .with_copy(followed(), "/memory/")
        .start()
        .await
        .unwrap();
    assert_eq!(sh(&container, "readlink /srv/kept").await, top.display().to_string());
    for place in ["/srv/link", "/memory/link"] {
        let lines = format!("cd {place} && cat link other/b/deep && find . -type l");
        assert_eq!(sh(&container, &lines).await, "deep\ndeep", "{place}");
    }
    // Links without a target, and in circles.
    symlink("..", top.join("a/up")).unwrap();
    let error = container.copy_to(followed(), "/srv/").await.unwrap_err();
    let story = format!("{error:?}");
    assert!(story.contains("up") && story.contains("a directory that it is in"), "{story}");
    std::fs::remove_file(top.join("a/up")).unwrap();
    symlink("/nowhere", top.join("dangling")).unwrap();
    let error = container.copy_to(followed(), "/srv/").await.unwrap_err();
    assert!(format!("{error:?}").contains("dangling"), "{error:?}");
}

/// Returns an archive of a directory of mode 0750, owned by 7:8, and a file of 1000:70.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let (kind, file) = (tar::EntryType::Directory, tar::EntryType::Regular);
    for (kind, path, mode, owner, content) in [
        (kind, "./", 0o700, (9, 9), ""),
        (kind, "./sub/", 0o750, (7, 8), ""),
        (file, "./sub/file", 0o604, (1000, 70), "content"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(981_173_106);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_archive_is_unpacked_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.tar");
    std::fs::write(&path, archive()).unwrap();
    let container = sleeper()
        .with_tmpfs("/memory")
        .with_copy(CopySource::tar(archive()), "/new/bytes")
        .with_copy(CopySource::tar_file(&path), "/srv/")
        .with_copy(CopySource::tar_file(&path), "/memory")
        .with_copy(CopySource::tar(archive()), "/memory/new")
        .start()
        .await
        .unwrap();
    for place in ["/new/bytes", "/srv", "/memory", "/memory/new"] {
        let lines = format!(
            "cd {place} && stat -c '%a %u:%g' sub sub/file && stat -c %Y sub/file && cat sub/file"
        );
        let seen = "750 7:8\n604 1000:70\n981173106\ncontent";
        assert_eq!(sh(&container, &lines).await, seen, "{place}");
    }
    // An existing target does not change; a new one is created with defaults.
    let seen = sh(&container, "stat -c '%a %u:%g' /new/bytes /memory /memory/new").await;
    assert_eq!(seen, "755 0:0\n1777 0:0\n755 0:0");

    let mut broken = archive();
    broken.truncate(1_600);
    let error = container.copy_to(CopySource::tar(broken.clone()), "/never").await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, Some("copy")), "{error:?}");
    assert_eq!(sh(&container, "ls -d /never || true").await, "");
    let before = sleeper().with_copy(CopySource::tar(broken), "/x").start().await.unwrap_err();
    assert_eq!(before.kind(), ErrorKind::InvalidInput, "{before:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn in_the_way_of_a_directory_is_a_file() {
    let container = sleeper().start().await.unwrap();
    let error = container.copy_to(b"x", "/etc/passwd/file").await.unwrap_err();
    assert_eq!(error.step(), Some("copy"), "{error:?}");
    assert!(sh(&container, "cat /etc/passwd").await.starts_with("root:"));
    // The missing target of a link is not created either.
    sh(&container, "ln -s /nowhere/deep /link").await;
    let error = container.copy_to(b"x", "/link/file").await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, Some("copy")), "{error:?}");
    assert_eq!(sh(&container, "ls -d /nowhere || true; readlink /link").await, "/nowhere/deep");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_directory_makes_the_round_trip() {
    let dir = tree();
    let container = sleeper().start().await.unwrap();
    container.copy_to(dir.path().join("tree"), "/srv/").await.unwrap();
    let back = dir.path().join("back");
    container.copy_from("/srv/tree", &back).await.unwrap();
    assert_eq!(std::fs::read(back.join("a/b/deep")).unwrap(), b"deep\n");
    assert_eq!(std::fs::read_link(back.join("link")).unwrap(), Path::new("a/b/deep"));
    assert_eq!(std::fs::read_link(back.join("dangling")).unwrap(), Path::new("/nowhere"));
    let modes = ["a", "a/b/deep", "run.sh", "empty"].map(|name| mode(&back.join(name)));
    assert_eq!(modes, [0o750, 0o640, 0o755, 0o700]);
    let into = container.copy_from("/srv/tree", &back).await.unwrap();
    assert_eq!(into, back.join("tree"));
    assert!(into.join("empty").is_dir());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_goes_into_a_tmpfs_is_there_and_comes_out() {
    let tree = tree();
    let container = sleeper()
        .with_tmpfs("/memory")
        .with_user("1000")
        .with_copy(CopySource::bytes("early").with_mode(0o600).with_owner(7, 8), "/memory/a/early")
        .with_copy(b"disk", "/srv/disk")
        .with_wait(castoff::WaitFor::file("/memory/a/early"))
        .start()
        .await
        .unwrap();
    container.copy_to(tree.path().join("tree"), "/memory/").await.unwrap();
    let lines = "stat -c '%a %u:%g' /memory/a/early; cat /memory/tree/link /srv/disk";
    let seen = container.exec(["sh", "-c", lines]).with_user("0").await.unwrap().ok().unwrap();
    assert_eq!(seen.stdout_text(), "600 7:8\ndeep\ndisk");
    assert_eq!(container.read_file("/srv/../memory/a/early").await.unwrap(), b"early");
    let back = container.copy_from("/memory/tree", tree.path().join("back")).await.unwrap();
    assert_eq!(std::fs::read(back.join("a/b/deep")).unwrap(), b"deep\n");
    assert_eq!(mode(&back.join("run.sh")), 0o755);
    let error = container.read_file("/memory/nothing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = container.copy_to(b"x", "/memory/tree").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    container.stop().await.unwrap();
    let error = container.copy_to(b"x", "/memory/late").await.unwrap_err();
    assert!(format!("{error:?}").contains("tmpfs"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_tmpfs_that_can_not_take_it_is_an_error() {
    use castoff::spec::Mount;
    let small =
        sleeper().with_mount(Mount::tmpfs("/memory").with_size(1 << 20)).start().await.unwrap();
    let error = small.copy_to(vec![7; 2 << 20], "/memory/large").await.unwrap_err();
    assert!(format!("{error:?}").contains("tmpfs"), "{error:?}");
    let noshell = || Container::builder(NOSHELL).with_tmpfs("/memory");
    let error = noshell().with_copy(b"x", "/memory/x").start().await.unwrap_err();
    assert!(format!("{error:?}").contains("tmpfs"), "{error:?}");
    let error = noshell().with_copy(b"x", "/memory/x").create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_without_a_shell() {
    let container = Container::builder(NOSHELL).start().await.unwrap();
    container.copy_to(b"hello", "/www/new/file").await.unwrap();
    assert_eq!(container.read_file("/www/new/file").await.unwrap(), b"hello");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_that_does_not_run() {
    let container = sleeper().with_copy(b"before", "/a").create().await.unwrap();
    container.copy_to(b"hello", "/b").await.unwrap();
    assert_eq!(container.read_file("/a").await.unwrap(), b"before");
    container.start().await.unwrap();
    assert_eq!(sh(&container, "cat /a /b").await, "beforehello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_hundred_megabytes_make_the_round_trip() {
    const SIZE: usize = 100 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    // Bytes without repetition, and without a random source.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut words = Vec::with_capacity(SIZE);
    while words.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.extend_from_slice(&state.to_le_bytes());
    }
    std::fs::write(&path, &words).unwrap();
    let hash = |bytes: &[u8]| -> String { hex::encode(Sha256::digest(bytes)) };
    let sent = hash(&words);
    drop(words);
    let container = sleeper().start().await.unwrap();
    container.copy_to(path.as_path(), "/tmp/large").await.unwrap();
    let inside = sh(&container, "sha256sum /tmp/large | cut -d ' ' -f 1").await;
    assert_eq!(inside, sent);
    let back = container.copy_from("/tmp/large", dir.path().join("back")).await.unwrap();
    assert_eq!(hash(&std::fs::read(back).unwrap()), sent);
}

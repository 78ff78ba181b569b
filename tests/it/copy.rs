//! Copies: the content of the archives that are sent, and the handling of those that are received.

use std::collections::BTreeMap;
use std::io::Read;

use castoff::{Container, CopySource, ErrorKind};

use crate::fake::FakeEngine;
use crate::support::*;

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: tar::EntryType,
    mode: u32,
    owner: (u64, u64),
    content: Vec<u8>,
}

fn file(mode: u32, owner: (u64, u64), content: impl Into<Vec<u8>>) -> Entry {
    Entry { kind: tar::EntryType::Regular, mode, owner, content: content.into() }
}

fn directory(mode: u32, owner: (u64, u64)) -> Entry {
    Entry { kind: tar::EntryType::Directory, mode, owner, content: Vec::new() }
}

/// Returns the path of the last upload, and the content of its archive.
fn last_upload(fake: &FakeEngine) -> (String, BTreeMap<String, Entry>) {
    let requests = fake.requests();
    let put = requests.iter().rfind(|r| r.method == "PUT").unwrap();
    let mut archive = tar::Archive::new(&put.raw[..]);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let header = entry.header();
        let kind = header.entry_type();
        let mode = header.mode().unwrap();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let mut content = Vec::new();
        if let Some(link) = entry.link_name().unwrap() {
            content.extend_from_slice(link.to_str().unwrap().as_bytes());
        }
        entry.read_to_end(&mut content).unwrap();
        found.insert(path, Entry { kind, mode, owner, content });
    }
    (put.get("path").to_owned(), found)
}

async fn with_container() -> (FakeEngine, Container) {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    (fake, container)
}

#[tokio::test]
async fn bytes_become_a_file() {
    let (fake, container) = with_container().await;
    container.copy_to(b"hello", "/greeting").await.unwrap();
    let expected = [("greeting".to_owned(), file(0o644, (0, 0), "hello"))];
    assert_eq!(last_upload(&fake), ("/".to_owned(), expected.into()));

    let secret = CopySource::bytes("s3cret").with_mode(0o600).with_owner(70, 71);
    container.copy_to(secret, "/run/keys/key").await.unwrap();
    let expected = [
        ("run/".to_owned(), directory(0o755, (70, 71))),
        ("run/keys/".to_owned(), directory(0o755, (70, 71))),
        ("run/keys/key".to_owned(), file(0o600, (70, 71), "s3cret")),
    ];
    assert_eq!(last_upload(&fake), ("/".to_owned(), expected.into()), "missing parents are made");
}

#[tokio::test]
async fn directories_that_exist_are_left_as_they_are() {
    let (fake, container) = with_container().await;
    container.copy_to(b"first", "/etc/app/one").await.unwrap();
    // The fake engine now finds /etc/app in the archives that it received.
    container.copy_to(b"second", "/etc/app/sub/two").await.unwrap();
    let expected = [
        ("sub/".to_owned(), directory(0o755, (0, 0))),
        ("sub/two".to_owned(), file(0o644, (0, 0), "second")),
    ];
    assert_eq!(last_upload(&fake), ("/etc/app".to_owned(), expected.into()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_goes_with_all_that_is_in_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (fake, container) = with_container().await;
    let source = tempfile::tempdir().unwrap();
    let root = source.path().join("conf");
    std::fs::create_dir_all(root.join("deep")).unwrap();
    std::fs::write(root.join("run.sh"), "#!").unwrap();
    std::fs::write(root.join("deep/data"), [7; 600]).unwrap();
    let chmod = |path: &str, mode| {
        std::fs::set_permissions(root.join(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    chmod("run.sh", 0o750);
    chmod("deep/data", 0o640);
    chmod("deep", 0o700);
    chmod("", 0o755);
    symlink("run.sh", root.join("link")).unwrap();

    container.copy_to(root.clone(), "/").await.unwrap();
    let (at, found) = last_upload(&fake);
    let link = Entry {
        kind: tar::EntryType::Symlink,
        mode: 0o777,
        owner: (0, 0),
        content: b"run.sh".into(),
    };
    let expected = [
        ("conf/".to_owned(), directory(0o755, (0, 0))),
        ("conf/deep/".to_owned(), directory(0o700, (0, 0))),
        ("conf/deep/data".to_owned(), file(0o640, (0, 0), [7; 600])),
        ("conf/link".to_owned(), link),
        ("conf/run.sh".to_owned(), file(0o750, (0, 0), "#!")),
    ];
    assert_eq!((at, found), ("/".to_owned(), expected.into()));

    let other = CopySource::path(&root).with_mode(0o444).with_owner(1, 2);
    container.copy_to(other, "/elsewhere").await.unwrap();
    let (_, found) = last_upload(&fake);
    assert_eq!(found["elsewhere/run.sh"], file(0o444, (1, 2), "#!"));
    assert_eq!(found["elsewhere/"], directory(0o755, (1, 2)));
}

#[tokio::test]
async fn a_reader_is_streamed() {
    let (fake, container) = with_container().await;
    let content = b"0123456789abcdef".repeat(100_000);
    let length = content.len() as u64;
    let reader = std::io::Cursor::new(content.clone());
    container.copy_to(CopySource::reader(reader, length), "/big").await.unwrap();
    let (_, found) = last_upload(&fake);
    assert!(found["big"] == file(0o644, (0, 0), content), "{} bytes", found["big"].content.len());

    for (length, kept) in [(3, &b"abc"[..]), (0, b"")] {
        let reader = std::io::Cursor::new(b"abcdef");
        container.copy_to(CopySource::reader(reader, length), "/part").await.unwrap();
        assert_eq!(last_upload(&fake).1["part"], file(0o644, (0, 0), kept));
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_named() {
    let (fake, container) = with_container().await;
    let missing = container.copy_to(CopySource::path("/no/such"), "/x").await.unwrap_err();
    assert_eq!((missing.kind(), missing.step()), (ErrorKind::NotFound, Some("copy")));
    assert!(chain(&missing).contains("/no/such"), "{missing:?}");
    assert_eq!(fake.count("PUT", "*"), 0);
    let short = CopySource::reader(std::io::Cursor::new(b"abc"), 10);
    let error = container.copy_to(short, "/x").await.unwrap_err();
    assert!(chain(&error).contains("the reader ended 7 bytes before"), "{error:?}");
}

#[tokio::test]
async fn a_refused_upload_is_an_error_with_the_engines_words() {
    let (fake, container) = with_container().await;
    fake.on("PUT", "*").fail(403, "container rootfs is marked read-only");
    let big = CopySource::bytes(vec![0; 4 << 20]);
    let error = container.copy_to(big, "/x").await.unwrap_err();
    assert_eq!((error.status(), error.container()), (Some(403), Some(container.name())));
    assert!(error.to_string().contains("read-only"), "{error}");
}

fn tar_of(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if *kind == tar::EntryType::Directory { 0o755 } else { 0o640 });
        // Names that `append_data` would refuse, as a hostile container may send them.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        if *kind == tar::EntryType::Symlink {
            header.set_size(0);
            header.set_link_name_literal(content).unwrap();
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn files_and_directories_come_back() {
    use tar::EntryType::{Directory, Regular};
    let (fake, container) = with_container().await;
    fake.only_container().put_archive("/etc/motd", tar_of(&[("motd", Regular, "hi\n")]));
    let tree = [("data/", Directory, ""), ("data/a", Regular, "A"), ("data/b", Regular, "B")];
    fake.only_container().put_archive("/data", tar_of(&tree));
    assert_eq!(container.read_file("/etc/motd").await.unwrap(), b"hi\n");
    let to = tempfile::tempdir().unwrap();
    let at = container.copy_from("/etc/motd", to.path()).await.unwrap();
    assert_eq!((&at, &std::fs::read(&at).unwrap()[..]), (&to.path().join("motd"), &b"hi\n"[..]));
    let at = container.copy_from("/data", to.path().join("mine")).await.unwrap();
    assert_eq!(std::fs::read(at.join("b")).unwrap(), b"B");
    let missing = container.copy_from("/nothing", to.path()).await.unwrap_err();
    assert_eq!((missing.kind(), missing.step()), (ErrorKind::NotFound, Some("copy")));
    assert!(format!("{missing:?}").contains("/nothing"), "{missing:?}");
}

#[tokio::test]
async fn nothing_leaves_the_place_that_was_given() {
    use tar::EntryType::{Directory, Regular, Symlink};
    let (fake, container) = with_container().await;
    let hostile: [&[(&str, tar::EntryType, &str)]; 3] = [
        &[("d/", Directory, ""), ("d/../../escaped", Regular, "x")],
        &[("d/", Directory, ""), ("/tmp/castoff-escaped", Regular, "x")],
        &[("d/", Directory, ""), ("d/up", Symlink, "../.."), ("d/up/escaped", Regular, "x")],
    ];
    for (n, entries) in hostile.into_iter().enumerate() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let path = format!("/hostile-{n}");
        fake.only_container().put_archive(&path, tar_of(entries));
        let outcome = container.copy_from(&path, &inner).await;
        assert!(!outer.path().join("escaped").exists(), "{n}: {outcome:?}");
        assert!(!std::path::Path::new("/tmp/castoff-escaped").exists(), "{n}: {outcome:?}");
    }
}

#[tokio::test]
async fn half_an_archive_leaves_nothing_behind() {
    let (fake, container) = with_container().await;
    let content = "x".repeat(100_000);
    let archive = tar_of(&[("big", tar::EntryType::Regular, &content)]);
    fake.only_container().put_archive("/big", archive);
    fake.on("GET", "/containers/*/archive").cut_after(50_000);
    let to = tempfile::tempdir().unwrap();
    let error = container.copy_from("/big", to.path()).await.unwrap_err();
    assert_eq!(error.step(), Some("copy"), "{error:?}");
    assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0, "{error:?}");
    container.read_file("/big").await.unwrap_err();
}

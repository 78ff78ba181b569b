//! Tests with archives that try to escape, and with harmless ones.

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream;
use tar::{Builder, Header};

use super::*;

struct Entry<'a>(EntryType, &'a str, &'a str);

/// Appends names unchanged; the builder of the tar crate would refuse the bad ones.
fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for Entry(kind, path, content) in entries {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let body = if is_link {
            header.as_gnu_mut().unwrap().linkname[..content.len()]
                .copy_from_slice(content.as_bytes());
            ""
        } else {
            content
        };
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, Cursor::new(body.as_bytes())).unwrap();
    }
    tar.into_inner().unwrap()
}

fn chunks(bytes: Vec<u8>) -> Chunks {
    let pieces: Vec<_> = bytes.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// Returns all bytes of an archive.
const ALL: Wanted = Wanted { contents: false, named: false, limit: u64::MAX, name: None };

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;

#[tokio::test]
async fn a_directory_comes_out_whole_under_its_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let tar = archive(&[
        Entry(DIR, "data/", ""),
        Entry(FILE, "data/a", "one"),
        Entry(DIR, "data/sub/", ""),
        Entry(FILE, "data/sub/b", "two"),
        Entry(LINK, "data/link", "sub/b"),
        Entry(EntryType::Fifo, "data/pipe", ""),
    ]);
    let place = unpack(chunks(tar.clone()), &dir.path().join("mine"), ALL).await.unwrap();
    assert_eq!(place, dir.path().join("mine"));
    assert_eq!(std::fs::read_to_string(place.join("sub/b")).unwrap(), "two");
    assert_eq!(std::fs::read_link(place.join("link")).unwrap(), Path::new("sub/b"));
    assert!(!place.join("pipe").exists());
    // In a directory, the copy keeps its name; nothing else remains there.
    let into = unpack(chunks(tar), dir.path(), ALL).await.unwrap();
    assert_eq!(into, dir.path().join("data"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn nothing_gets_out() {
    let outside = tempfile::tempdir().unwrap();
    let target = format!("{}", outside.path().display());
    let hostile: [&[Entry<'_>]; 6] = [
        &[Entry(FILE, "../evil", "x")],
        &[Entry(FILE, "/tmp/castoff-evil", "x")],
        &[Entry(DIR, "data/", ""), Entry(FILE, "data/../../evil", "x")],
        &[Entry(DIR, "data/", ""), Entry(FILE, "other", "x")],
        &[Entry(DIR, "d/", ""), Entry(LINK, "d/l", &target), Entry(FILE, "d/l/evil", "x")],
        &[Entry(DIR, "d/", ""), Entry(EntryType::Link, "d/l", "/etc/passwd")],
    ];
    for entries in hostile {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.1).collect();
        let error = unpack(chunks(archive(entries)), &home.join("new"), ALL).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{names:?}: {error:?}");
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "{names:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{names:?}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!Path::new("/tmp/castoff-evil").exists());
}

#[tokio::test]
async fn what_is_there_stays_and_a_file_replaces_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("data/kept")).unwrap();
    let tar = archive(&[Entry(DIR, "data/", ""), Entry(FILE, "data/a", "x")]);
    let error = unpack(chunks(tar), dir.path(), ALL).await.unwrap_err();
    assert!(format!("{error:?}").contains("exists already"), "{error:?}");
    assert!(dir.path().join("data/kept").exists());
    std::fs::write(dir.path().join("f"), "old").unwrap();
    let file = || chunks(archive(&[Entry(FILE, "f", "new")]));
    unpack(file(), &dir.path().join("f"), ALL).await.unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), "new");
    assert_eq!(read_file(file(), 3).await.unwrap().unwrap(), b"new");
    let error = read_file(file(), 2).await.unwrap_err();
    assert!(format!("{error:?}").contains("it has 3 bytes, at most 2"), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_is_told_by_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = archive(&[Entry(FILE, "f", "content")]);
    tar.truncate(515);
    let cut = Error::new(ErrorKind::Connection, "cut");
    let pieces = vec![Ok(Bytes::from(tar)), Err(cut)];
    let error =
        unpack(Box::pin(stream::iter(pieces)), &dir.path().join("f"), ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(unpack(chunks(Vec::new()), dir.path(), ALL).await.is_err());
}

#[tokio::test]
async fn a_link_that_an_earlier_copy_left_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let dir = tempfile::tempdir().unwrap();
    // One copy is a link itself, the other contains one.
    let alone = dir.path().join("alone");
    unpack(chunks(archive(&[Entry(LINK, "alone", &target)])), &alone, ALL).await.unwrap();
    let tree = [Entry(DIR, "data/", ""), Entry(LINK, "data/link", &target)];
    unpack(chunks(archive(&tree)), dir.path(), ALL).await.unwrap();
    let link = dir.path().join("data/link");
    let slash = PathBuf::from(format!("{}/", alone.display()));
    for to in
        [alone.clone(), slash, alone.join("f"), link.clone(), link.join("f"), link.join("d/f")]
    {
        for entries in [[Entry(FILE, "f", "evil")], [Entry(DIR, "f/", "")]] {
            let error = unpack(chunks(archive(&entries)), &to, ALL).await.unwrap_err();
            assert!(format!("{error:?}").contains("is a link"), "{}: {error:?}", to.display());
        }
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // A link of the user's own on the way is followed.
    std::os::unix::fs::symlink(outside.path(), dir.path().join("own")).unwrap();
    let file = chunks(archive(&[Entry(FILE, "f", "fine")]));
    unpack(file, &dir.path().join("own/f"), ALL).await.unwrap();
    assert_eq!(std::fs::read_to_string(outside.path().join("f")).unwrap(), "fine");
}

/// Returns an archive of a directory without write permission for its owner, and a file in it.
fn closed(top: &str) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (kind, path, mode) in [(DIR, format!("{top}/"), 0o555), (FILE, format!("{top}/f"), 0o444)] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        tar.append_data(&mut header, path, io::empty()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn modes_of_directories_are_set_when_they_are_full() {
    let dir = tempfile::tempdir().unwrap();
    let place = unpack(chunks(closed("d")), &dir.path().join("new"), ALL).await.unwrap();
    let there = place.metadata().unwrap();
    assert_eq!(there.permissions().mode() & 0o7777, 0o555);
    assert!(place.join("f").is_file());
    // After a failure, nothing remains beside it.
    unpack(chunks(closed("new")), dir.path(), ALL).await.unwrap_err();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    open_all(&place).unwrap();
}

#[tokio::test]
async fn a_directory_that_is_missing_here_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("missing/new");
    let error = unpack(chunks(closed("d")), &to, ALL).await.unwrap_err();
    let missing = dir.path().join("missing").display().to_string();
    assert!(format!("{error:?}").contains(&missing), "{error:?}");
}

#[tokio::test]
async fn a_name_without_end_is_refused_before_it_is_read() {
    for (kind, size) in [(b'L', "20000000000"), (b'K', "20000000000"), (b'x', "00010000000")] {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.as_gnu_mut().unwrap().size[..11].copy_from_slice(size.as_bytes());
        header.set_cksum();
        let taken = std::sync::Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let zeros = stream::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Bytes::from_static(&[b'a'; 65_536]))
        });
        let start = stream::iter([Ok(Bytes::copy_from_slice(header.as_bytes()))]);
        let endless = Box::pin(start.chain(zeros.take(4_096)));
        let dir = tempfile::tempdir().unwrap();
        let error = unpack(endless, &dir.path().join("f"), ALL).await.unwrap_err();
        assert!(format!("{error:?}").contains("a name in the archive"), "{error:?}");
        assert!(taken.load(Ordering::SeqCst) < 64, "{taken:?} pieces were taken");
    }
}

#[tokio::test]
async fn long_names_and_large_sizes_are_followed() {
    let (long, dir) = ("n".repeat(3_000), tempfile::tempdir().unwrap());
    let mut tar = Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content).unwrap();
    };
    add("d/short", &[b'L'; 5_000]);
    add(&format!("d/{}", long.split_at(150).0), b"long");
    // File content that looks like the header of an endless name.
    let mut lure = Header::new_gnu();
    lure.set_entry_type(EntryType::GNULongName);
    lure.set_size(1 << 32);
    lure.set_cksum();
    add("d/lure", lure.as_bytes());
    // A size that only the extended header gives.
    tar.append_pax_extensions([("size", 700.to_string().as_bytes())]).unwrap();
    let mut header = Header::new_ustar();
    header.set_path("d/sized").unwrap();
    header.set_entry_type(FILE);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1_024);
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend([&[b'x'; 700][..], &[0; 324 + 1_024]].concat());
    let place = unpack(chunks(bytes), dir.path(), ALL).await.unwrap();
    assert_eq!(std::fs::read(place.join("lure")).unwrap(), lure.as_bytes());
    assert_eq!(std::fs::read(place.join("sized")).unwrap(), [b'x'; 700]);
    assert_eq!(std::fs::read(place.join(long.split_at(150).0)).unwrap(), b"long");
}

fn time_of(path: &Path) -> u64 {
    let modified = path.symlink_metadata().unwrap().modified().unwrap();
    modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Returns an archive of a directory's contents, with a time for each entry and mode 0555 for the
/// directories.
fn contents(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (n, Entry(kind, path, content)) in entries.iter().enumerate() {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(if *kind == DIR { 0o555 } else { 0o640 });
        header.set_mtime(1_000_000 + n as u64);
        let body = if *kind == LINK { "" } else { content };
        if *kind == LINK {
            header.set_link_name_literal(content).unwrap();
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn the_contents_of_a_directory_are_merged_into_another() {
    let wanted = Wanted { contents: true, limit: 9, ..ALL };
    let tar = contents(&[
        Entry(DIR, "./", ""),
        Entry(FILE, "./a", "new"),
        Entry(DIR, "./d/", ""),
        Entry(FILE, "./d/b", "two"),
        Entry(DIR, "./d/e/", ""),
        Entry(FILE, "./d/e/c", "who"),
        Entry(LINK, "./l", "a"),
    ]);
    let dir = tempfile::tempdir().unwrap();
    // A missing target is created.
    let new = dir.path().join("new");
    assert_eq!(unpack(chunks(tar.clone()), &new, wanted.clone()).await.unwrap(), new);
    assert_eq!(std::fs::read(new.join("d/e/c")).unwrap(), b"who");
    for (path, time) in [("", 0), ("a", 1), ("d", 2), ("d/b", 3), ("d/e", 4), ("l", 6)] {
        assert_eq!(time_of(&new.join(path)), 1_000_000 + time, "{path:?}");
    }
    assert_eq!(new.metadata().unwrap().permissions().mode() & 0o7777, 0o555);
    open_all(&new).unwrap();

    // An existing target is merged into, through a link of the user's, repeatedly.
    let there = dir.path().join("there");
    std::fs::create_dir_all(there.join("d")).unwrap();
    for (path, content) in [("a", "old"), ("kept", "kept"), ("d/kept", "kept")] {
        std::fs::write(there.join(path), content).unwrap();
    }
    std::os::unix::fs::symlink(&there, dir.path().join("own")).unwrap();
    let inner = there.join("d/e");
    for mode in [0o555, 0o755] {
        unpack(chunks(tar.clone()), &dir.path().join("own"), wanted.clone()).await.unwrap();
        assert_eq!(inner.metadata().unwrap().permissions().mode() & 0o7777, mode);
        // Existing directories keep their mode the next time.
        std::fs::set_permissions(&inner, PermissionsExt::from_mode(0o755)).unwrap();
        for (path, content) in
            [("a", "new"), ("kept", "kept"), ("d/kept", "kept"), ("d/e/c", "who")]
        {
            assert_eq!(std::fs::read_to_string(there.join(path)).unwrap(), content, "{path}");
        }
        assert_eq!(std::fs::read_link(there.join("l")).unwrap(), Path::new("a"));
    }
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 4, "nothing half-made is left");
    open_all(&there).unwrap();

    let error = unpack(chunks(tar), &there, Wanted { limit: 8, ..wanted }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 4, "nothing half-made is left");
}

#[tokio::test]
async fn contents_go_through_no_link_below_and_replace_no_other_kind() {
    let wanted = Wanted { contents: true, ..ALL };
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "mine").unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Links that no copy created: to a directory, and to a file.
    std::os::unix::fs::symlink(outside.path(), dir.path().join("d")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("file"), dir.path().join("f")).unwrap();
    std::fs::create_dir(dir.path().join("full")).unwrap();
    let hostile: [&[Entry<'_>]; 4] = [
        &[Entry(DIR, "./", ""), Entry(FILE, "./a", "x"), Entry(DIR, "./d/", "")],
        &[Entry(DIR, "./", ""), Entry(FILE, "./a", "x"), Entry(FILE, "./d/evil", "x")],
        &[Entry(DIR, "./", ""), Entry(FILE, "./a", "x"), Entry(FILE, "./full", "x")],
        &[Entry(DIR, "./", ""), Entry(FILE, "./a", "x"), Entry(FILE, "./../evil", "x")],
    ];
    for entries in hostile {
        let error =
            unpack(chunks(contents(entries)), dir.path(), wanted.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "{error:?}");
    }
    // A file replaces a link, and is not written through it.
    let tar = contents(&[Entry(DIR, "./", ""), Entry(FILE, "./f", "new")]);
    unpack(chunks(tar), dir.path(), wanted.clone()).await.unwrap();
    assert!(dir.path().join("f").symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read(outside.path().join("file")).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

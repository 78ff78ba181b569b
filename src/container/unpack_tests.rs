//! Archives that try to get out, and those that don't.

use std::io::Cursor;

use futures_util::stream;
use tar::{Builder, Header};

use super::*;

struct Entry<'a>(EntryType, &'a str, &'a str);

/// Writes names as they are; the builder of the tar crate would refuse the bad ones.
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
    let place = unpack(chunks(tar.clone()), &dir.path().join("mine")).await.unwrap();
    assert_eq!(place, dir.path().join("mine"));
    assert_eq!(std::fs::read_to_string(place.join("sub/b")).unwrap(), "two");
    assert_eq!(std::fs::read_link(place.join("link")).unwrap(), Path::new("sub/b"));
    assert!(!place.join("pipe").exists());
    // Into a directory, it keeps its name; nothing else is left there.
    let into = unpack(chunks(tar), dir.path()).await.unwrap();
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
        let error = unpack(chunks(archive(entries)), &home.join("new")).await.unwrap_err();
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
    let error = unpack(chunks(tar), dir.path()).await.unwrap_err();
    assert!(format!("{error:?}").contains("exists already"), "{error:?}");
    assert!(dir.path().join("data/kept").exists());
    std::fs::write(dir.path().join("f"), "old").unwrap();
    let file = || chunks(archive(&[Entry(FILE, "f", "new")]));
    unpack(file(), &dir.path().join("f")).await.unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), "new");
    assert_eq!(read_file(file()).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_stream_that_breaks_is_told_by_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = archive(&[Entry(FILE, "f", "content")]);
    tar.truncate(515);
    let cut = Error::new(ErrorKind::Connection, "cut");
    let pieces = vec![Ok(Bytes::from(tar)), Err(cut)];
    let error = unpack(Box::pin(stream::iter(pieces)), &dir.path().join("f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(unpack(chunks(Vec::new()), dir.path()).await.is_err());
}

//! The hash of a context: of the kinds, paths, modes and contents of its files, without times.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use crate::engine::{Content, Tree, TreeEntry};

/// Returns the hash of all files; blocks. It excludes times, so that a fresh checkout has the same.
pub(in crate::image) fn digest(tree: &Tree) -> std::io::Result<String> {
    let entries = tree.entries();
    let next = AtomicUsize::new(0);
    // Reading small files mostly waits for the kernel, so threads help.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
    let work = || -> std::io::Result<Vec<(usize, [u8; 32])>> {
        let mut hashes = Vec::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let from = next.fetch_add(64, Ordering::Relaxed);
            if from >= entries.len() {
                return Ok(hashes);
            }
            for (number, entry) in entries.iter().enumerate().skip(from).take(64) {
                let link = tree.link(number).map(|first| &*entries[first].path);
                hashes.push((number, one(entry, link, &mut buffer)?));
            }
        }
    };
    let parts: Vec<std::io::Result<Vec<_>>> = std::thread::scope(|scope| {
        let started: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        parts.extend(started.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(std::io::Error::other("a hashing thread panicked")))
        }));
        parts
    });
    let mut all = vec![[0; 32]; entries.len()];
    for part in parts {
        for (number, hash) in part? {
            all[number] = hash;
        }
    }
    let mut whole = Sha256::new();
    for hash in all {
        whole.update(hash);
    }
    Ok(hex::encode(whole.finalize()))
}

fn one(entry: &TreeEntry, link: Option<&str>, buffer: &mut [u8]) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let kind: &[u8] = match &entry.content {
        Content::Directory => b"d",
        Content::Link(_) => b"l",
        Content::Pipe => b"p",
        _ if link.is_some() => b"h",
        _ if entry.capability().is_some() => b"c",
        _ => b"f",
    };
    hash.update(kind);
    hash.update(entry.mode.to_be_bytes());
    hash.update((entry.path.len() as u64).to_be_bytes());
    hash.update(&entry.path);
    match &entry.content {
        Content::Directory | Content::Pipe => {}
        Content::Link(target) => hash.update(target),
        _ if link.is_some() => hash.update(link.unwrap_or_default()),
        _ => {
            if let Some(capability) = entry.capability() {
                hash.update((capability.len() as u64).to_be_bytes());
                hash.update(capability);
            }
            let mut content = entry.open()?;
            loop {
                match content.read(buffer) {
                    Ok(0) => break,
                    Ok(read) => hash.update(&buffer[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(hash.finalize().into())
}

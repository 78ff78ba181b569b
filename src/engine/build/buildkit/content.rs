//! [`Stores`]: directories in which BuildKit keeps a build's cache.
//!
//! The layout is the OCI Image Specification's ("Image Layout"): `blobs/sha256/…`, and an
//! `index.json` that names the newest manifest `latest`, like buildx's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tonic::Status;

use super::super::CacheEntry;

const NAME: &str = "org.opencontainers.image.ref.name";
const LATEST: &str = "latest";

/// The directories, by the names that BuildKit uses for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Stores(BTreeMap<String, PathBuf>);

impl Stores {
    /// Returns the stores of those caches that are kept in directories.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a CacheEntry>) -> Stores {
        let directory = |entry: &CacheEntry| directory(entry).map(str::to_owned);
        let paths = entries.filter_map(directory);
        Stores(paths.map(|path| (format!("local:{path}"), path.into())).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Result<Store, Status> {
        let path = self.0.get(name).cloned();
        path.map(Store).ok_or_else(|| Status::not_found(format!("there is no store `{name}`")))
    }
}

/// Returns the directory of a cache that is kept in one.
pub(super) fn directory(entry: &CacheEntry) -> Option<&str> {
    let place = ["dest", "src"].iter().find_map(|key| entry.attributes.get(*key));
    place.filter(|_| entry.kind == "local").map(String::as_str)
}

/// One such directory.
#[derive(Clone, Debug)]
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn at(path: impl Into<PathBuf>) -> Store {
        Store(path.into())
    }

    fn blob(&self, digest: &str) -> Result<PathBuf, Status> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        let hex = hex.ok_or_else(|| Status::invalid_argument("the digest is none of SHA-256"))?;
        Ok(self.0.join("blobs/sha256").join(hex))
    }

    pub(super) async fn size(&self, digest: &str) -> Result<u64, Status> {
        let found = fs::metadata(self.blob(digest)?).await;
        found.map(|found| found.len()).map_err(|error| told(&error))
    }

    /// Opens a part of a blob. A length of 0 means all of the rest.
    pub(super) async fn open(
        &self,
        digest: &str,
        offset: u64,
        length: u64,
    ) -> Result<tokio::io::Take<File>, Status> {
        let mut file = File::open(self.blob(digest)?).await.map_err(|error| told(&error))?;
        file.seek(io::SeekFrom::Start(offset)).await.map_err(|error| told(&error))?;
        Ok(file.take(if length == 0 { u64::MAX } else { length }))
    }

    /// Begins a blob, which exists once it is committed.
    pub(super) async fn create(&self) -> Result<Ingest, Status> {
        let made = async {
            fs::create_dir_all(self.0.join("blobs/sha256")).await?;
            fs::create_dir_all(self.0.join("ingest")).await?;
            let path = self.0.join("ingest").join(super::solve::random_id());
            let file = File::options().write(true).create_new(true).open(&path).await?;
            Ok(Ingest { store: self.clone(), path, file, hash: Sha256::new(), size: 0 })
        };
        made.await.map_err(|error: io::Error| told(&error))
    }

    /// Returns the digest of the newest manifest.
    pub(super) async fn latest(&self) -> Option<String> {
        let index: Value = serde_json::from_slice(&self.index().await.ok()?).ok()?;
        let manifests = index["manifests"].as_array()?;
        let found = manifests.iter().find(|one| one["annotations"][NAME] == LATEST)?;
        found["digest"].as_str().map(str::to_owned)
    }

    async fn index(&self) -> io::Result<Vec<u8>> {
        fs::read(self.0.join("index.json")).await
    }

    /// Names a manifest `latest`, by the descriptor that BuildKit has returned.
    pub(super) async fn keep(&self, descriptor: &str) -> io::Result<()> {
        let mut descriptor: Value = serde_json::from_str(descriptor)?;
        descriptor["annotations"][NAME] = LATEST.into();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor],
        });
        write(&self.0.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#.as_bytes()).await?;
        write(&self.0.join("index.json"), index.to_string().as_bytes()).await
    }
}

/// Writes a file atomically.
async fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension(super::solve::random_id());
    let written = async {
        fs::write(&part, content).await?;
        fs::rename(&part, path).await
    };
    let written = written.await;
    if written.is_err() {
        // The file may not exist at all.
        drop(fs::remove_file(&part).await);
    }
    written
}

/// A blob that is being written.
pub(super) struct Ingest {
    store: Store,
    path: PathBuf,
    file: File,
    hash: Sha256,
    pub(super) size: u64,
}

impl Ingest {
    pub(super) async fn append(&mut self, data: &[u8]) -> Result<(), Status> {
        self.file.write_all(data).await.map_err(|error| told(&error))?;
        self.hash.update(data);
        self.size += data.len() as u64;
        Ok(())
    }

    /// Moves the blob to its place if it has the expected size and digest. Returns its digest.
    pub(super) async fn commit(&mut self, total: u64, expected: &str) -> Result<String, Status> {
        let digest = format!("sha256:{}", hex::encode(self.hash.finalize_reset()));
        if total > 0 && total != self.size || !expected.is_empty() && expected != digest {
            let size = self.size;
            let message = format!("{digest} of {size} bytes is not {expected} of {total}");
            return Err(Status::failed_precondition(message));
        }
        self.file.flush().await.map_err(|error| told(&error))?;
        let blob = self.store.blob(&digest)?;
        fs::rename(&self.path, blob).await.map_err(|error| told(&error))?;
        Ok(digest)
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // After a commit the file no longer exists.
        let path = std::mem::take(&mut self.path);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || std::fs::remove_file(path));
        }
    }
}

fn told(error: &io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::NotFound => Status::not_found(error.to_string()),
        io::ErrorKind::AlreadyExists => Status::already_exists(error.to_string()),
        _ => Status::unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blobs_are_there_when_they_are_what_was_expected() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let mut ingest = store.create().await.unwrap();
        ingest.append(b"hel").await.unwrap();
        ingest.append(b"lo").await.unwrap();
        assert_eq!(store.size(digest).await.unwrap_err().code(), tonic::Code::NotFound);
        assert_eq!(ingest.commit(5, digest).await.unwrap(), digest);
        drop(ingest);
        assert_eq!(store.size(digest).await.unwrap(), 5);
        let mut read = String::new();
        store.open(digest, 1, 3).await.unwrap().read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "ell");
        let mut other = store.create().await.unwrap();
        other.append(b"other").await.unwrap();
        let error = other.commit(0, digest).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::FailedPrecondition);
        for bad in ["", "sha256:../../x", "sha512:00", &digest.to_uppercase()] {
            assert_eq!(store.size(bad).await.unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[tokio::test]
    async fn the_newest_manifest_is_named() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path());
        assert_eq!(store.latest().await, None);
        for digest in ["sha256:01", "sha256:02"] {
            store.keep(&json!({ "digest": digest, "size": 1 }).to_string()).await.unwrap();
            assert_eq!(store.latest().await.as_deref(), Some(digest));
        }
        assert!(store.keep("nonsense").await.is_err());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2, "nothing half-written");
    }
}

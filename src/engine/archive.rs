//! Archives into and out of containers: the calls, with bodies that stream.

use std::io;
use std::pin::Pin;

use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;

use super::Engine;
use super::failure::convert;
use super::wording::{Meaning, says};
use crate::error::{ErrorKind, Result};

/// Set in the mode of a directory by the engine (Go's `fs.ModeDir`).
const GO_MODE_DIR: u32 = 1 << 31;

/// Set in the mode of a symbolic link by the engine (Go's `fs.ModeSymlink`).
const GO_MODE_SYMLINK: u32 = 1 << 27;

/// What stands at a path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathStat {
    pub(crate) is_dir: bool,
    /// Where it leads, for a link.
    pub(crate) link: Option<String>,
}

impl Engine {
    /// What stands at `path`, or `None` for nothing.
    pub(crate) async fn stat_path(&self, id: &str, path: &str) -> Result<Option<PathStat>> {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        match self.docker().get_container_archive_info(id, Some(options)).await {
            Ok(stat) => {
                let is_link = stat.file_mode & GO_MODE_SYMLINK != 0 && !stat.link_target.is_empty();
                let link = is_link.then_some(stat.link_target);
                Ok(Some(PathStat { is_dir: stat.file_mode & GO_MODE_DIR != 0, link }))
            }
            Err(error) => {
                let error = convert("look at a path in the container", error);
                match error.status() {
                    Some(404) => Ok(None),
                    _ => Err(error),
                }
            }
        }
    }

    /// Unpacks a tar stream into the directory `path` of a container, running or not. Nothing that is
    /// there is replaced by something of another kind: neither a directory, with all that is in it,
    /// by a file, nor a link by a directory.
    pub(crate) async fn upload(
        &self,
        id: &str,
        path: &str,
        tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<()> {
        let options =
            UploadToContainerOptionsBuilder::new().path(path).no_overwrite_dir_non_dir("true");
        let uploaded = self
            .patient()
            .upload_to_container(id, Some(options.build()), bollard::body_try_stream(tar))
            .await;
        uploaded.map_err(|error| {
            let error = convert("copy into the container", error);
            if !says(&error.to_string(), Meaning::WouldReplace) {
                return error;
            }
            error
                .with_hint("a `/` at the end of the target copies into the directory that is there")
        })
    }

    /// The tar stream of a file or directory of a container.
    pub(crate) fn download(
        &self,
        id: &str,
        path: &str,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let path = path.to_owned();
        let chunks = self.patient().download_from_container(id, Some(options));
        Box::pin(chunks.map(move |chunk| {
            chunk.map_err(|error| {
                let error = convert("copy out of the container", error);
                match error.kind() {
                    ErrorKind::NotFound => error.with_hint(format!("asked for `{path}`")),
                    _ => error,
                }
            })
        }))
    }
}

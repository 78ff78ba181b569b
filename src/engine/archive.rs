//! Archives into and out of containers: the calls, with bodies that stream.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::errors::Error as BollardError;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::Request;
use hyper::header::HeaderMap;
use serde_json::Value;

use super::Client;
use super::failure::{convert, lift, refusal};
use super::wording::{Meaning, says};
use crate::error::{Error, ErrorKind, Result};

/// The action for error messages, after "failed to".
const LOOK: &str = "look at a path in the container";

/// The header in which an engine describes the file at a path, as JSON in base64.
const STAT_HEADER: &str = "X-Docker-Container-Path-Stat";

/// Limit for Podman's answer about a path: the same that bollard sets for Docker.
const LOOK_LIMIT: Duration = Duration::from_secs(120);

/// The bit that the engine sets in the mode of a directory (Go's `fs.ModeDir`).
const GO_MODE_DIR: u32 = 1 << 31;

/// The bit that the engine sets in the mode of a symbolic link (Go's `fs.ModeSymlink`).
const GO_MODE_SYMLINK: u32 = 1 << 27;

/// The file at a path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathStat {
    pub(crate) is_dir: bool,
    /// The target of a link: after one step on Docker, at the end of all links on Podman.
    pub(crate) link: Option<String>,
    /// Whether the target is known to be missing. Only Podman reports it.
    pub(crate) leads_nowhere: bool,
}

/// Escapes a path for Podman, which takes it for a pattern: `a?` would match `ab` as well. Podman
/// can't find a path with a `*` at all.
fn literal(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for part in path.chars() {
        if matches!(part, '?' | '[' | '\\') {
            literal.push('\\');
        }
        literal.push(part);
    }
    literal
}

fn archive_of(id: &str, path: &str) -> String {
    let path: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/containers/{id}/archive?path={path}")
}

impl PathStat {
    fn new(mode: u32, target: String) -> PathStat {
        let is_link = mode & GO_MODE_SYMLINK != 0 && !target.is_empty();
        let link = is_link.then_some(target);
        PathStat { is_dir: mode & GO_MODE_DIR != 0, link, leads_nowhere: false }
    }

    /// Reads the description from the headers of Podman's answer, which also has it for a link
    /// whose target is missing.
    fn in_head(headers: &HeaderMap) -> Option<PathStat> {
        let told = STANDARD.decode(headers.get(STAT_HEADER)?).ok()?;
        let told: Value = serde_json::from_slice(&told).ok()?;
        let target = told["linkTarget"].as_str().unwrap_or_default();
        Some(PathStat::new(u32::try_from(told["mode"].as_u64()?).ok()?, target.to_owned()))
    }
}

impl Client {
    /// Returns a description of the file at `path`, or `None` if there is none.
    pub(crate) async fn stat_path(&self, id: &str, path: &str) -> Result<Option<PathStat>> {
        if self.is_podman() {
            return self.stat_on_podman(id, path).await;
        }
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        match self.docker().get_container_archive_info(id, Some(options)).await {
            Ok(stat) => Ok(Some(PathStat::new(stat.file_mode, stat.link_target))),
            Err(error) => {
                let error = convert(LOOK, error);
                match error.status() {
                    Some(404) => Ok(None),
                    Some(status) => Err(self.why_not(&archive_of(id, path), status).await),
                    None => Err(error),
                }
            }
        }
    }

    /// Returns the same as [`stat_path`](Self::stat_path). Podman answers 404 for a link whose
    /// target is missing, and for one into a tmpfs of a container that does not run: only the
    /// answer's headers show that the link exists.
    async fn stat_on_podman(&self, id: &str, path: &str) -> Result<Option<PathStat>> {
        let place = archive_of(id, &literal(path));
        let request = Request::head(&place).body(Empty::<Bytes>::new()).map_err(BollardError::from);
        let asked = async { self.dialer().exchange(request?).await };
        let answer = tokio::time::timeout(LOOK_LIMIT, asked)
            .await
            .unwrap_or(Err(BollardError::RequestTimeoutError))
            .map_err(lift(LOOK))?;
        let stat = PathStat::in_head(answer.headers());
        match answer.status().as_u16() {
            200 if stat.is_none() => {
                let message = format!("failed to {LOOK}: the engine's answer makes no sense");
                Err(Error::new(ErrorKind::Protocol, message))
            }
            200 => Ok(stat),
            404 => Ok(stat.map(|stat| PathStat { leads_nowhere: true, ..stat })),
            status => Err(self.why_not(&place, status).await),
        }
    }

    /// Returns the reason for a failed look-up, by a request for the same path's archive: the first
    /// call has no body that could give a reason.
    async fn why_not(&self, place: &str, status: u16) -> Error {
        let mut text = Vec::new();
        if let Ok((again, mut chunks)) = self.dialer().stream(place).await {
            while !again.is_success()
                && let Some(Ok(chunk)) = chunks.next().await
            {
                text.extend_from_slice(&chunk);
            }
        }
        refusal(LOOK, status, &text)
    }

    /// Unpacks a tar stream into the directory `path` of a container, running or not. Never
    /// replaces an existing file by one of another kind: neither a directory with its content by a
    /// file, nor a link by a directory.
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

    /// Returns the tar stream of a file or directory of a container.
    pub(crate) fn download(
        &self,
        id: &str,
        path: &str,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> {
        let place = if self.is_podman() { literal(path) } else { path.to_owned() };
        let options = DownloadFromContainerOptionsBuilder::new().path(&place).build();
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

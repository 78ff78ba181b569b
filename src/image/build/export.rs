//! Builds that export files instead of creating an image on the engine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::super::archive;
use super::builder::{BuildBackend, ImageBuilder};
use super::plan::Plan;
use super::{preflight, run, support, tracing_events};
use crate::engine::{BuildEvent, BuildOutput, OnEvent, Sink};
use crate::error::{Error, ErrorKind, Result};

/// Limit for the pieces of an output that are queued.
const UNDER_WAY: usize = 16;

impl ImageBuilder {
    /// Builds, and unpacks the image's files into a directory, which is created if it is missing.
    /// Existing files of the same paths are replaced, others stay. Needs BuildKit.
    ///
    /// ```no_run
    /// use castoff::dockerfile::{Dockerfile, Stage};
    ///
    /// # async fn run() -> castoff::Result<()> {
    /// Dockerfile::new()
    ///     .stage(Stage::from_image("golang:1.22").named("build").copy(".", ".").run("go build -o /server ."))
    ///     .stage(Stage::scratch().copy_from("build", "/server", "/"))
    ///     .builder().with_context(".").export_directory("dist").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`build`](Self::build); also fails if the files can't be written.
    ///
    /// # Cancel safety
    /// Dropping the future ends the build. Files written by then stay.
    pub async fn export_directory(self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().to_owned();
        let (sink, pieces) = mpsc::channel(UNDER_WAY);
        let to = path.clone();
        let unpacking = tokio::task::spawn_blocking(move || archive::unpack(pieces, &to));
        let outcome = self.export(BuildOutput::Tar(sink)).await;
        let unpacked =
            unpacking.await.map_err(|error| Error::other("unpacking failed").with_source(error))?;
        // If writing failed, the build failed only because of that.
        unpacked.map_err(|error| not_written(&path, error))?;
        outcome
    }

    /// Builds, and writes the image's files to a tar archive. Needs BuildKit. The file appears when
    /// it is complete, and replaces a regular file, but no link, pipe or device.
    ///
    /// # Errors
    /// As for [`build`](Self::build); also fails if the file can't be written.
    ///
    /// # Cancel safety
    /// Dropping the future ends the build, and nothing of the file is left behind.
    pub async fn export_tar(self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().to_owned();
        self.archived(path, BuildOutput::Tar).await
    }

    /// Builds, and writes the image to an archive in the OCI image layout, with all requested
    /// platforms. Needs BuildKit. The file appears when it is complete, and replaces a regular
    /// file, but no link, pipe or device.
    ///
    /// # Errors
    /// As for [`export_tar`](Self::export_tar).
    ///
    /// # Cancel safety
    /// As for [`export_tar`](Self::export_tar).
    pub async fn export_oci(self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().to_owned();
        self.archived(path, BuildOutput::Oci).await
    }

    async fn archived(self, path: PathBuf, output: fn(Sink) -> BuildOutput) -> Result<()> {
        archive::check(&path)?;
        let (sink, mut pieces) = mpsc::channel::<io::Result<Bytes>>(UNDER_WAY);
        // The file must not be complete before the build has succeeded.
        let (failed, failure) = tokio::sync::oneshot::channel();
        let building = async {
            let outcome = self.export(output(sink)).await;
            let _ = failed.send(outcome);
        };
        let stream = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
        let stream = stream.map(|piece| piece.map_err(not_received));
        let end = futures_util::stream::once(async {
            failure.await.unwrap_or_else(|_| Err(Error::other("the build was lost"))).err()
        });
        let end = end.filter_map(|error| std::future::ready(error.map(Err)));
        let writing = archive::write(Box::pin(stream.chain(end)), &path);
        let ((), written) = futures_util::future::join(building, writing).await;
        written
    }

    async fn export(self, output: BuildOutput) -> Result<()> {
        let plan = Plan::make(&self, output).await?;
        if plan.backend != BuildBackend::BuildKit {
            return Err(support::no_buildkit(
                plan.engine.client(),
                "the output is no image of the engine",
            ));
        }
        let listeners = self.listeners.clone();
        let tell = tracing_events::listener();
        let on_event: OnEvent = Arc::new(move |event: BuildEvent| {
            for listener in &listeners {
                listener(event.clone());
            }
            tell(event);
        });
        preflight::check(&plan, &on_event).await?;
        let built = run::with_buildkit(plan.engine.client(), &plan.request, &on_event).await;
        built.map(drop).map_err(|error| preflight::explained(&plan, error))
    }
}

fn not_received(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the build's output broke off").with_source(error)
}

fn not_written(path: &Path, error: io::Error) -> Error {
    let message = format!("the build's output can't be written to {}", path.display());
    Error::new(ErrorKind::Io, message).with_source(error)
}

//! Transfer of images: tags, archives, registries.

use std::pin::Pin;

use bollard::models::{BuildInfo, CreateImageInfo, PushImageInfo};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, PushImageOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;

use super::Client;
use super::auth::Login;
use super::failure::{convert, lift, told};
use super::image_details::familiar;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::ImageRef;
use crate::tar_stream::TarStream;

impl Client {
    /// Gives an image another name.
    pub(crate) async fn tag_image(&self, image: &str, name: &ImageRef) -> Result<()> {
        let repository = repository(name);
        let options = TagImageOptionsBuilder::new().repo(&repository).tag(name.tag_or_latest());
        let tagged = self.docker().tag_image(image, Some(options.build())).await;
        tagged.map_err(lift("tag the image"))
    }

    /// Removes a name from an image, and the image with its last name, unless it is in use.
    pub(crate) async fn untag_image(&self, name: &str) -> Result<()> {
        let options = RemoveImageOptionsBuilder::new().build();
        let removed = self.patient().remove_image(name, Some(options), None).await;
        removed.map(drop).map_err(lift("remove the image"))
    }

    /// Streams an image as an archive.
    pub(crate) fn save_image(
        &self,
        name: &str,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> {
        let pieces = self.patient().export_image(name);
        Box::pin(pieces.map(|piece| piece.map_err(|error| convert("save the image", error))))
    }

    /// Loads images from an archive. Returns the engine's messages about them.
    pub(crate) async fn load_images(&self, archive: TarStream) -> Result<Vec<String>> {
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let docker = self.patient();
        let mut answers = std::pin::pin!(docker.import_image_stream(options, archive, None));
        let mut loaded = Vec::new();
        while let Some(answer) = answers.next().await {
            let BuildInfo { stream, error_detail, .. } =
                answer.map_err(|error| convert("load the images", error))?;
            if let Some(message) = error_detail.and_then(|detail| detail.message) {
                return Err(told("load the images", 500, &message));
            }
            let text = stream.unwrap_or_default();
            for line in text.lines() {
                let name = ["Loaded image: ", "Loaded image ID: ", "Loaded image(s): "]
                    .iter()
                    .find_map(|start| line.strip_prefix(start));
                let names = name.into_iter().flat_map(|names| names.split(','));
                loaded.extend(familiar(names.map(|name| name.trim().to_owned()).collect()));
            }
        }
        Ok(loaded)
    }

    /// Creates an image from an archive of a file system. Returns its id.
    pub(crate) async fn import_image(
        &self,
        name: &ImageRef,
        archive: TarStream,
        changes: &[String],
    ) -> Result<String> {
        let repository = repository(name);
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(&repository)
            .tag(name.tag_or_latest())
            .changes(changes.to_vec())
            .build();
        let docker = self.patient();
        let body = bollard::body_try_stream(archive);
        let mut answers = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
        let mut id = None;
        while let Some(answer) = answers.next().await {
            let CreateImageInfo { status, .. } =
                answer.map_err(|error| convert("import the image", error))?;
            id = status.filter(|status| status.starts_with("sha256:")).or(id);
        }
        id.ok_or_else(|| {
            Error::new(
                ErrorKind::Protocol,
                "failed to import the image: the engine's response contains no image id",
            )
        })
    }

    /// Pushes an image under its name. Returns its digest in the registry.
    pub(crate) async fn push_image(
        &self,
        name: &ImageRef,
        login: Option<Login>,
        on_status: &mut (dyn FnMut(&str) + Send),
    ) -> Result<String> {
        let repository = repository(name);
        let options = PushImageOptionsBuilder::new().tag(name.tag_or_latest()).build();
        let docker = self.patient();
        let pushing = docker.push_image(&repository, Some(options), login.map(Login::into_header));
        let mut answers = std::pin::pin!(pushing);
        let mut digest = None;
        while let Some(answer) = answers.next().await {
            let PushImageInfo { status, error_detail, .. } =
                answer.map_err(|error| convert("push the image", error))?;
            if let Some(message) = error_detail.and_then(|detail| detail.message) {
                return Err(told("push the image", 500, &message));
            }
            if let Some(status) = status {
                on_status(&status);
                // `1: digest: sha256:.. size: 736`
                digest = digest_in(&status).or(digest);
            }
        }
        digest.ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "failed to push the image: the engine told no digest")
        })
    }

    /// Returns the platforms of an image in its registry, if the engine can tell.
    pub(crate) async fn registry_platforms(
        &self,
        name: &ImageRef,
        login: Option<Login>,
    ) -> Result<Vec<String>> {
        let asked = self.docker();
        let asked =
            asked.inspect_registry_image(&name.familiar(), login.map(Login::into_header)).await;
        let answer = asked.map_err(lift("ask the registry for the image's platforms"))?;
        let platform = |platform: bollard::models::OciPlatform| {
            let parts = [platform.os, platform.architecture, platform.variant];
            let parts: Vec<String> =
                parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            parts.join("/")
        };
        let platforms = answer.platforms.into_iter().map(platform);
        Ok(platforms.filter(|platform| !platform.starts_with("unknown")).collect())
    }

    /// Returns whether the engine's images can have several platforms.
    pub(crate) async fn has_containerd_store(&self) -> Result<bool> {
        let info = self.docker().info().await.map_err(lift("ask for the engine's settings"))?;
        let status = info.driver_status.unwrap_or_default();
        Ok(status.iter().flatten().any(|word| word.starts_with("io.containerd.snapshotter")))
    }
}

/// Returns the name without its tag.
fn repository(name: &ImageRef) -> String {
    let familiar = name.familiar();
    let name = familiar.split_once('@').map_or(familiar.as_str(), |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => name.to_owned(),
    }
}

fn digest_in(status: &str) -> Option<String> {
    let (_, rest) = status.split_once("digest: ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_tag_alone() {
        for (name, expected) in [
            ("redis:7", "redis"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000/a"),
        ] {
            assert_eq!(repository(&name.parse().unwrap()), expected);
        }
        let status = "1: digest: sha256:ab size: 736";
        assert_eq!(digest_in(status).as_deref(), Some("sha256:ab"));
    }
}

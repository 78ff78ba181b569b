//! Image indexes: one name for images of several platforms.

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;

use super::Registry;
use super::call::Call;
use super::digest;
use super::manifest::{DOCKER_LIST, DOCKER_MANIFEST, DescribedPlatform, Descriptor, OCI_INDEX};
use super::name::Name;
use crate::error::{Error, ErrorKind, Result};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: &'a [Descriptor],
}

impl Registry {
    /// Combines images of one repository into an index under a name, and returns its digest. The
    /// images are given by digest, tag or name; they must be in the registry already, and keep
    /// their own names. Engines then pull the one for their platform.
    ///
    /// The index is that of the OCI Image Specification v1.1, or Docker's manifest list if all
    /// images have Docker's own format.
    ///
    /// ```no_run
    /// # async fn run() -> castoff::Result<()> {
    /// use castoff::{Image, registry::Registry};
    ///
    /// let name = "127.0.0.1:5000/team/api";
    /// let mut digests = Vec::new();
    /// for platform in ["linux/amd64", "linux/arm64"] {
    ///     let image = Image::builder("./service").with_platform(platform).build().await?;
    ///     digests.push(image.push(format!("{name}:1.2-{}", platform.replace('/', "-"))).await?);
    /// }
    /// let registry = Registry::new("127.0.0.1:5000");
    /// println!("{}", registry.push_index("team/api:1.2", digests).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) without images, for two of the
    /// same platform, for an index among them, for one of another repository, and for a name with a
    /// digest; [`ErrorKind::ImageNotFound`](crate::ErrorKind::ImageNotFound) for an image that does
    /// not exist; otherwise as for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// When the future is dropped, the index may or may not have been pushed; never half of it.
    pub async fn push_index(
        &self,
        name: impl AsRef<str>,
        images: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<String> {
        let name = Name::parse(&self.host, name.as_ref())?;
        if name.digest.is_some() {
            return Err(Error::invalid("index", "it is pushed under a tag, not a digest"));
        }
        let images: Vec<String> =
            images.into_iter().map(|image| image.as_ref().to_owned()).collect();
        let mut manifests: Vec<Descriptor> = Vec::new();
        for image in &images {
            let entry = self.entry(&name, image).await?;
            if manifests.iter().any(|other| other.platform == entry.platform) {
                let message = format!("`{image}` is for the same platform as one before");
                return Err(Error::invalid("index", message));
            }
            manifests.push(entry);
        }
        if manifests.is_empty() {
            return Err(Error::invalid("index", "there is no image in it"));
        }
        let docker = manifests.iter().all(|entry| entry.media_type == DOCKER_MANIFEST);
        let media_type = if docker { DOCKER_LIST } else { OCI_INDEX };
        let index = Index { schema_version: 2, media_type, manifests: &manifests };
        let text = serde_json::to_vec(&index)
            .map_err(|error| Error::other("the index can't be written").with_source(error))?;
        self.put(&name, media_type, text.into()).await
    }

    async fn entry(&self, index: &Name, image: &str) -> Result<Descriptor> {
        let name = match image {
            digest if digest::is_known(digest) => index.at(digest),
            tag if !tag.contains([':', '/']) => {
                Name { tag: Some(tag.to_owned()), digest: None, ..index.clone() }
            }
            name => Name::parse(&self.host, name)?,
        };
        if name.repository != index.repository {
            let message = format!("{name} is of another repository than {index}");
            return Err(Error::invalid("index", message));
        }
        let received = self.manifest(&name).await?;
        let Some(config) = received.manifest.config else {
            return Err(Error::invalid("index", format!("{name} is an index itself")));
        };
        let config = self.config(&name, &config).await?;
        let platform = config.platform.platform().ok_or_else(|| {
            let message = format!("{name} does not say which platform it is for");
            Error::new(ErrorKind::Protocol, message)
        })?;
        let platform = Some(DescribedPlatform::from(&platform));
        Ok(Descriptor { platform, ..received.descriptor })
    }

    async fn put(&self, name: &Name, media_type: &str, content: Bytes) -> Result<String> {
        let digest = digest::of(&content);
        let path = format!("/v2/{}/manifests/{}", name.repository, name.reference());
        let call = Call::get(path).method(Method::PUT);
        let call = Call { body: Some((media_type.to_owned(), content)), ..call };
        let answer = self.call(call).await?;
        match answer.status {
            200 | 201 => Ok(digest),
            _ => Err(self.refused(&name.short(), &answer).with_image(name.to_string())),
        }
    }
}

//! The tags of a repository: list, resolve and delete.

use reqwest::Method;
use serde::Deserialize;

use super::Registry;
use super::call::Call;
use super::link;
use super::manifest::ANY;
use super::name::Name;
use super::url;
use crate::error::{Error, ErrorKind, Result};

/// The largest number of pages: no repository has more.
const PAGES: usize = 10_000;

/// Limit for the tags in memory, in bytes: half a million of the longest.
const BYTES: usize = 64 << 20;

impl Registry {
    /// Lists the tags of a repository, in the registry's order.
    ///
    /// OCI Distribution Specification v1.1, "Listing Tags"; all pages are read.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect); [`ErrorKind::Protocol`] for a list of more than 10,000
    /// pages or 64 MiB, as from a registry that never ends it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn tags(&self, repository: impl AsRef<str>) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let name = Name::repository(&self.host, repository.as_ref())?;
        let mut path = format!("/v2/{}/tags/list", name.repository);
        let (mut tags, mut bytes) = (Vec::new(), 0);
        for _ in 0..PAGES {
            let base = self.base()?;
            let answer = self.call(Call::get(&path)).await?;
            if answer.status != 200 {
                return Err(self.refused(&name.repository, &answer));
            }
            let list: List = serde_json::from_slice(&answer.body).map_err(|error| {
                let message = format!("invalid tag list of {}", name.repository);
                Error::new(ErrorKind::Protocol, message).with_source(error)
            })?;
            let more = list.tags.unwrap_or_default();
            // The memory of an empty tag counts as well.
            bytes += more.iter().map(|tag| tag.len() + size_of::<String>()).sum::<usize>();
            if bytes > BYTES {
                return Err(self.too_many_tags(&name.repository));
            }
            tags.extend(more);
            let here = url::join(&base, &path);
            let next = link::next(&answer.headers).and_then(|next| url::join(&here?, &next));
            match next.filter(|next| url::same_origin(next, &base)) {
                Some(next) => path = next.into(),
                None => return Ok(tags),
            }
        }
        Err(self.too_many_tags(&name.repository))
    }

    fn too_many_tags(&self, repository: &str) -> Error {
        let message =
            format!("the registry {} does not stop listing tags of {repository}", self.host);
        Error::new(ErrorKind::Protocol, message)
            .with_hint("`digest` and `inspect` ask for a tag without the list")
    }

    /// Returns the digest of the image with a name, or `None` if there is none.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn digest(&self, image: impl AsRef<str>) -> Result<Option<String>> {
        let name = Name::parse(&self.host, image.as_ref())?;
        let path = format!("/v2/{}/manifests/{}", name.repository, name.reference());
        let answer = self.call(Call::get(path).accept(ANY).method(Method::HEAD)).await?;
        match answer.status {
            404 => Ok(None),
            200 => match answer.header("docker-content-digest") {
                Some(digest) => Ok(Some(digest.to_owned())),
                // Not all registries send it in answer to a HEAD request.
                None => self.manifest(&name).await.map(|it| Some(it.descriptor.digest)),
            },
            _ => Err(self.refused(&name.short(), &answer)),
        }
    }

    /// Deletes the manifest with a name, and with it **all** of its tags.
    ///
    /// OCI Distribution Specification v1.1, "Deleting Manifests". Registries keep the layers until
    /// their own clean-up, and many allow no deletion unless they are configured for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the registry does not allow
    /// it; otherwise as for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// When the future is dropped, the manifest may or may not have been deleted.
    pub async fn delete(&self, image: impl AsRef<str>) -> Result<()> {
        let name = Name::parse(&self.host, image.as_ref())?;
        let digest = match &name.digest {
            Some(digest) => digest.clone(),
            None => self.manifest(&name).await?.descriptor.digest,
        };
        let path = format!("/v2/{}/manifests/{digest}", name.repository);
        let answer = self.call(Call::get(path).method(Method::DELETE)).await?;
        match answer.status {
            200 | 202 => Ok(()),
            405 => {
                Err(self.refused(&format!("the deletion of {}", name.short()), &answer).with_hint(
                    "CNCF Distribution allows it with REGISTRY_STORAGE_DELETE_ENABLED=true",
                ))
            }
            _ => Err(self.refused(&name.short(), &answer).with_image(name.to_string())),
        }
    }
}

//! The tags of a repository: listed, resolved, deleted.

use reqwest::Method;
use serde::Deserialize;

use super::Registry;
use super::call::Call;
use super::link;
use super::manifest::ANY;
use super::name::Name;
use super::url;
use crate::error::{Error, ErrorKind, Result};

/// No repository has more pages than this.
const PAGES: usize = 10_000;

/// The most bytes of tags that are held in memory: half a million of the longest.
const BYTES: usize = 64 << 20;

impl Registry {
    /// The tags of a repository, in the registry's order.
    ///
    /// OCI Distribution Specification v1.1, "Listing Tags"; all pages are read.
    ///
    /// # Errors
    /// As for [`inspect`](Self::inspect); [`ErrorKind::Protocol`] for a list of more than 10,000
    /// pages or 64 MiB, as of a registry that never comes to an end.
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
            // (What an empty one takes counts as well.)
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

    /// The digest of what is under a name, or `None` when there is nothing.
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
                // Not all registries send it with a HEAD.
                None => self.manifest(&name).await.map(|it| Some(it.descriptor.digest)),
            },
            _ => Err(self.refused(&name.short(), &answer)),
        }
    }

    /// Deletes what is under a name: the manifest, and with it **all** tags that it has.
    ///
    /// OCI Distribution Specification v1.1, "Deleting Manifests". Registries keep the layers until their
    /// own clean-up, and many allow no deletion unless they are set up for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the registry does not allow it;
    /// otherwise as for [`inspect`](Self::inspect).
    ///
    /// # Cancel safety
    /// It may or may not be deleted when the future is dropped.
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

//! [`RemoteImage`]: an image or index in a registry.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;

use super::Registry;
use super::call::Call;
use super::manifest::{ANY, Config, Descriptor, Manifest};
use super::name::Name;
use super::{digest, manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::Platform;

/// An image in a registry, or an index of images for several platforms. `Display` prints it like
/// `docker buildx imagetools inspect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteImage {
    /// The name, with the registry.
    pub name: String,
    /// The digest of the manifest or index.
    pub digest: String,
    /// The media type of the manifest or index.
    pub media_type: String,
    /// The size of the manifest or index itself, in bytes.
    pub size: u64,
    /// The platforms with an image; attestations are left out.
    pub platforms: Vec<RemotePlatform>,
    /// The layers, the lowest first; empty for an index.
    pub layers: Vec<RemoteLayer>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The configuration for containers; `None` for an index.
    pub config: Option<RemoteConfig>,
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemotePlatform {
    /// The platform.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: String,
    /// The size of the manifest itself, in bytes.
    pub size: u64,
}

/// A layer in a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteLayer {
    /// The digest.
    pub digest: String,
    /// The compressed size, in bytes.
    pub size: u64,
    /// The media type.
    pub media_type: String,
}

/// The configuration for containers of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteConfig {
    /// The time of creation, in the format of RFC 3339.
    pub created: Option<String>,
    /// The user; empty for root.
    pub user: String,
    /// Environment variables, as `NAME=value`.
    pub env: Vec<String>,
    /// The entrypoint.
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entrypoint.
    pub cmd: Vec<String>,
    /// The working directory; empty for `/`.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A manifest as it was received, and its descriptor.
pub(super) struct Received {
    pub(super) manifest: Manifest,
    pub(super) descriptor: Descriptor,
}

impl Registry {
    /// Returns the image or index with a name such as `team/api:1.2` or `team/api@sha256:…`.
    ///
    /// OCI Distribution Specification v1.1, "Pulling manifests".
    ///
    /// # Errors
    /// [`ErrorKind::ImageNotFound`](crate::ErrorKind::ImageNotFound) if there is none;
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) if the registry requires another
    /// login; [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) for content that does not match
    /// its digest.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn inspect(&self, image: impl AsRef<str>) -> Result<RemoteImage> {
        let name = Name::parse(&self.host, image.as_ref())?;
        let received = self.manifest(&name).await?;
        let Descriptor { media_type, digest, size, .. } = received.descriptor;
        let mut image = RemoteImage {
            name: name.to_string(),
            digest,
            media_type,
            size,
            annotations: received.manifest.annotations,
            ..RemoteImage::default()
        };
        if let Some(manifests) = received.manifest.manifests {
            let platform = |one: Descriptor| {
                let platform = one.platform?.platform()?;
                Some(RemotePlatform { platform, digest: one.digest, size: one.size })
            };
            image.platforms = manifests.into_iter().filter_map(platform).collect();
            return Ok(image);
        }
        let layer = |one: Descriptor| RemoteLayer {
            digest: one.digest,
            size: one.size,
            media_type: one.media_type,
        };
        image.layers = received.manifest.layers.into_iter().map(layer).collect();
        if let Some(config) = &received.manifest.config {
            let config = self.config(&name, config).await?;
            image.platforms.extend(config.platform.platform().map(|platform| RemotePlatform {
                platform,
                digest: image.digest.clone(),
                size: image.size,
            }));
            image.config = Some(shown(config));
        }
        Ok(image)
    }

    pub(super) async fn manifest(&self, name: &Name) -> Result<Received> {
        let path = format!("/v2/{}/manifests/{}", name.repository, name.reference());
        let answer = self.call(Call::get(path).accept(ANY)).await?;
        if answer.status != 200 {
            return Err(self.refused(&name.short(), &answer).with_image(name.to_string()));
        }
        let manifest: Manifest = read(name, &answer.body)?;
        let expected = name.digest.as_deref().or(answer.header("docker-content-digest"));
        let digest = verified(name, expected, &answer.body)?;
        let media_type = manifest.media_type(answer.header("content-type"));
        let size = answer.body.len() as u64;
        Ok(Received {
            manifest,
            descriptor: Descriptor { media_type, digest, size, platform: None },
        })
    }

    pub(super) async fn config(&self, name: &Name, config: &Descriptor) -> Result<Config> {
        if config.size > super::call::LIMIT as u64 {
            let message = format!("the configuration of {name} is larger than 4 MiB");
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        if !digest::is_known(&config.digest) {
            return Err(nonsense(name, "an invalid digest"));
        }
        let path = format!("/v2/{}/blobs/{}", name.repository, config.digest);
        let answer = self.call(Call::get(path)).await?;
        if answer.status != 200 {
            let what = format!("configuration of {}", name.short());
            return Err(self.refused(&what, &answer).with_image(name.to_string()));
        }
        verified(name, Some(&config.digest), &answer.body)?;
        read(name, &answer.body)
    }
}

fn read<T: DeserializeOwned>(name: &Name, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| nonsense(name, "not the expected JSON").with_source(error))
}

fn nonsense(name: &Name, what: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the registry sent an invalid manifest or configuration for {name}: {what}"),
    )
}

/// Returns the digest of content. Fails if it is not the expected one.
fn verified(name: &Name, expected: Option<&str>, content: &[u8]) -> Result<String> {
    match expected.filter(|expected| digest::is_known(expected)) {
        None => Ok(digest::of(content)),
        Some(expected) if digest::like(expected, content) == expected => Ok(expected.to_owned()),
        Some(expected) => {
            let message = format!("what the registry sent for {name} is not {expected}");
            Err(Error::new(ErrorKind::Protocol, message))
        }
    }
}

fn shown(config: Config) -> RemoteConfig {
    let manifest::Settings { user, env, entrypoint, cmd, working_dir, labels } = config.config;
    RemoteConfig {
        created: config.created,
        user: user.unwrap_or_default(),
        env: env.unwrap_or_default(),
        entrypoint: entrypoint.unwrap_or_default(),
        cmd: cmd.unwrap_or_default(),
        working_dir: working_dir.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
    }
}

impl fmt::Display for RemoteImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Name:      {}", self.name)?;
        writeln!(f, "MediaType: {}", self.media_type)?;
        write!(f, "Digest:    {}", self.digest)?;
        for one in &self.platforms {
            write!(f, "\n  {:<16} {}", one.platform.to_string(), one.digest)?;
        }
        for layer in &self.layers {
            write!(f, "\n  layer {} ({} bytes)", layer.digest, layer.size)?;
        }
        Ok(())
    }
}

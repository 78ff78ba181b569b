//! Manifests and indexes in registries (OCI Image Specification v1.1; Docker's schema 2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::Platform;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media types that castoff can read.
pub(super) const ANY: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A manifest, or an index if it has `manifests`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Returns the media type of the answer if it is known, else the one in the manifest, else the
    /// one that fits its content.
    pub(super) fn media_type(&self, told: Option<&str>) -> String {
        let told = told.and_then(|told| told.split(';').next()).map(str::trim);
        let known = told.filter(|told| ANY.contains(told) && !told.is_empty());
        let fits = if self.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST };
        known.or(self.media_type.as_deref()).unwrap_or(fits).to_owned()
    }
}

/// A descriptor: the media type, digest and size of some content, and its platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<DescribedPlatform>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct DescribedPlatform {
    #[serde(default)]
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variant: Option<String>,
}

impl DescribedPlatform {
    /// Returns the platform; `None` for attestations, which builders store beside images under the
    /// platform `unknown`.
    pub(super) fn platform(&self) -> Option<Platform> {
        let known = |text: &str| !text.is_empty() && text != "unknown";
        if !known(&self.os) || !known(&self.architecture) {
            return None;
        }
        let platform = Platform::new(self.os.as_str(), self.architecture.as_str());
        Some(match self.variant.as_deref().filter(|variant| !variant.is_empty()) {
            Some(variant) => platform.with_variant(variant),
            None => platform,
        })
    }
}

impl From<&Platform> for DescribedPlatform {
    fn from(platform: &Platform) -> DescribedPlatform {
        DescribedPlatform {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
        }
    }
}

/// The part of an image's configuration that castoff reads.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    pub(super) platform: DescribedPlatform,
    pub(super) created: Option<String>,
    #[serde(default)]
    pub(super) config: Settings,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Settings {
    pub(super) user: Option<String>,
    pub(super) env: Option<Vec<String>>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) working_dir: Option<String>,
    pub(super) labels: Option<BTreeMap<String, String>>,
}

//! [`BuildRequest`]: the parameters of a build.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::Tree;

/// The receiver of an output's bytes.
pub(crate) type Sink = tokio::sync::mpsc::Sender<io::Result<Bytes>>;

/// The parameters of a build. It has no `Debug`, as it holds secrets.
#[derive(Clone, Default)]
pub(crate) struct BuildRequest {
    /// The Dockerfile's text.
    pub(crate) dockerfile: String,
    pub(crate) context: TreeContext,
    pub(crate) named: Vec<(String, NamedContext)>,
    pub(crate) tags: Vec<String>,
    pub(crate) target: Option<String>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Labels for the images of all steps, on engines that allow it (Podman 4.8 and newer). They
    /// don't affect the build cache.
    pub(crate) step_labels: Vec<(String, String)>,
    /// The platform, or with BuildKit several, separated by commas.
    pub(crate) platform: Option<String>,
    pub(crate) no_cache: bool,
    pub(crate) pull: bool,
    pub(crate) network: Option<String>,
    /// Host names and addresses.
    pub(crate) extra_hosts: Vec<(String, String)>,
    /// The size in bytes.
    pub(crate) shm_size: Option<u64>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) cache_from: Vec<CacheEntry>,
    pub(crate) cache_to: Vec<CacheEntry>,
    pub(crate) secrets: BTreeMap<String, Bytes>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) output: BuildOutput,
    /// Entitlements, such as `network.host`.
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    pub(crate) entitlements: Vec<String>,
}

#[cfg(feature = "buildkit")]
impl BuildRequest {
    /// Returns a key for the directories of all contexts.
    pub(crate) fn place(&self) -> String {
        let mut place = self.context.key.clone();
        for (name, context) in &self.named {
            if let NamedContext::Tree(context) = context {
                place.push_str(&format!("-{name}-{}", context.key));
            }
        }
        place
    }
}

/// A tree, and a key for its directory that is stable between builds.
#[derive(Clone, Default)]
pub(crate) struct TreeContext {
    pub(crate) tree: Arc<Tree>,
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    pub(crate) key: String,
}

#[derive(Clone)]
pub(crate) enum NamedContext {
    Tree(TreeContext),
    Image(String),
}

/// A place for a build cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheEntry {
    /// The type: `registry`, `local` or `inline`.
    pub(crate) kind: &'static str,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A resource limit, as in `nofile=1024:2048`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ulimit {
    pub(crate) name: String,
    pub(crate) soft: i64,
    pub(crate) hard: i64,
}

/// The socket of an ssh agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
}

/// The destination of the result.
#[derive(Clone, Default)]
pub(crate) enum BuildOutput {
    /// The engine's images.
    #[default]
    Image,
    /// The files of the image, as a tar archive.
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    Tar(Sink),
    /// The image itself, as an archive in the OCI layout.
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    Oci(Sink),
}

/// The result of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    /// The image's id, if the builder reported one.
    pub(crate) id: Option<String>,
}

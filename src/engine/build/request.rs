//! [`BuildRequest`]: all that a builder is told.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::Tree;

/// Takes the bytes of an output.
pub(crate) type Sink = tokio::sync::mpsc::Sender<io::Result<Bytes>>;

/// A build. `Debug` is left out, as there are secrets in it.
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
    /// For the images of all steps, where an engine allows that (Podman 4.8 and newer). They make no
    /// step another one: what was built before is found all the same.
    pub(crate) step_labels: Vec<(String, String)>,
    /// One, or with BuildKit several with commas between them.
    pub(crate) platform: Option<String>,
    pub(crate) no_cache: bool,
    pub(crate) pull: bool,
    pub(crate) network: Option<String>,
    /// Name and address.
    pub(crate) extra_hosts: Vec<(String, String)>,
    /// Bytes.
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
    /// What stands for the places of all contexts.
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

/// A tree, and what stands for its place between builds.
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

/// A place that caches are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheEntry {
    /// `registry`, `local`, `inline`.
    pub(crate) kind: &'static str,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A limit of resources, as in `nofile=1024:2048`.
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

/// Where the outcome goes.
#[derive(Clone, Default)]
pub(crate) enum BuildOutput {
    /// Into the engine's images.
    #[default]
    Image,
    /// The files of the image, as a tar archive.
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    Tar(Sink),
    /// The image itself, as an archive in the OCI layout.
    #[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "for BuildKit alone"))]
    Oci(Sink),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    /// The image's id, where the builder told one.
    pub(crate) id: Option<String>,
}

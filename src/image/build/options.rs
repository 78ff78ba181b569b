//! The rarer settings of a build.

use std::path::PathBuf;

use super::super::BuildContext;
use super::ImageBuilder;
use super::builder::{BuildBackend, Named, Secret};
use crate::engine::{Agent, CacheEntry, Ulimit};

impl ImageBuilder {
    /// Adds a secret with the content of a file, which is read when the build begins.
    pub fn with_secret_file(mut self, id: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.secrets.insert(id.into(), Secret::File(path.into()));
        self
    }

    /// Adds a secret with the value of an environment variable of this process.
    pub fn with_secret_env(mut self, id: impl Into<String>, variable: impl Into<String>) -> Self {
        self.secrets.insert(id.into(), Secret::Env(variable.into()));
        self
    }

    /// Forwards the ssh agent of `SSH_AUTH_SOCK` to the steps that mount it
    /// (`RUN --mount=type=ssh`).
    pub fn with_ssh(mut self) -> Self {
        self.agents.insert("default".to_owned(), None);
        self
    }

    /// Forwards an ssh agent under an id, by its socket.
    pub fn with_ssh_agent(mut self, id: impl Into<String>, socket: impl Into<PathBuf>) -> Self {
        self.agents.insert(id.into(), Some(Agent { socket: socket.into() }));
        self
    }

    /// Adds a named context, for `COPY --from=NAME` and `FROM NAME` (BuildKit of Docker 23 and
    /// newer).
    pub fn named_context(
        mut self,
        name: impl Into<String>,
        context: impl Into<BuildContext>,
    ) -> Self {
        self.named.push((name.into(), Named::Context(context.into())));
        self
    }

    /// Replaces another image, or a stage, by this image in `FROM` and `COPY --from` (BuildKit of
    /// Docker 23 and newer).
    pub fn with_named_image(mut self, name: impl Into<String>, image: impl Into<String>) -> Self {
        self.named.push((name.into(), Named::Image(image.into())));
        self
    }

    /// Sets the network of the steps: `none`, `host` or, with the classic builder, a network's
    /// name. Default: the engine's.
    pub fn with_network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Adds a line to the steps' `/etc/hosts`.
    pub fn with_extra_host(mut self, host: impl Into<String>, address: impl Into<String>) -> Self {
        self.extra_hosts.push((host.into(), address.into()));
        self
    }

    /// Sets the size of the steps' `/dev/shm`, in bytes. Default: the engine's.
    pub fn with_shm_size(mut self, bytes: u64) -> Self {
        self.shm_size = Some(bytes);
        self
    }

    /// Adds a resource limit for the steps, such as `nofile`.
    pub fn with_ulimit(mut self, name: impl Into<String>, soft: i64, hard: i64) -> Self {
        self.ulimits.push(Ulimit { name: name.into(), soft, hard });
        self
    }

    /// Adds an image in a registry, with its cache in it or beside it, as a source of cached steps.
    pub fn with_cache_from(mut self, image: impl Into<String>) -> Self {
        self.cache_from.push(entry("registry", [("ref", image.into())]));
        self
    }

    /// Adds a directory of [`with_cache_to_directory`](Self::with_cache_to_directory) as a source
    /// of cached steps. A missing directory is no error.
    pub fn with_cache_from_directory(mut self, path: impl Into<String>) -> Self {
        self.cache_from.push(entry("local", [("src", path.into())]));
        self
    }

    /// Stores the cache in the image itself, for [`with_cache_from`](Self::with_cache_from) after a
    /// push.
    pub fn with_inline_cache(mut self) -> Self {
        self.cache_to.push(entry("inline", []));
        self
    }

    /// Stores the cache of all stages in a registry (engines with a containerd image store).
    pub fn with_cache_to(mut self, image: impl Into<String>) -> Self {
        self.cache_to.push(entry("registry", [("ref", image.into()), ("mode", "max".to_owned())]));
        self
    }

    /// Stores the cache of all stages in a directory, in the form of an OCI image layout, as
    /// `docker buildx build --cache-to type=local` does (engines with a containerd image store).
    /// The caches of earlier builds stay there.
    pub fn with_cache_to_directory(mut self, path: impl Into<String>) -> Self {
        self.cache_to.push(entry("local", [("dest", path.into()), ("mode", "max".to_owned())]));
        self
    }

    /// Sets the builder to use. Default: BuildKit if it is available.
    pub fn with_backend(mut self, backend: BuildBackend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Measures the size of each named stage as an image, for the report. Each is built from
    /// the cache and removed again, which takes some seconds for large ones.
    pub fn with_stage_sizes(mut self) -> Self {
        self.measure_stages = true;
        self
    }
}

fn entry<const N: usize>(kind: &'static str, attributes: [(&str, String); N]) -> CacheEntry {
    let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    CacheEntry { kind, attributes }
}

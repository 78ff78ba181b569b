//! The rarer settings of a build.

use std::path::PathBuf;

use super::super::BuildContext;
use super::ImageBuilder;
use super::builder::{BuildBackend, Named, Secret};
use crate::engine::{Agent, CacheEntry, Ulimit};

impl ImageBuilder {
    /// A secret that is a file's content, read when the build begins.
    pub fn with_secret_file(mut self, id: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.secrets.insert(id.into(), Secret::File(path.into()));
        self
    }

    /// A secret that is the value of an environment variable of this process.
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

    /// A further context, for `COPY --from=NAME` and `FROM NAME` (BuildKit of Docker 23 and newer).
    pub fn named_context(
        mut self,
        name: impl Into<String>,
        context: impl Into<BuildContext>,
    ) -> Self {
        self.named.push((name.into(), Named::Context(context.into())));
        self
    }

    /// An image that takes the place of another one, or of a stage, in `FROM` and `COPY --from`
    /// (BuildKit of Docker 23 and newer).
    pub fn with_named_image(mut self, name: impl Into<String>, image: impl Into<String>) -> Self {
        self.named.push((name.into(), Named::Image(image.into())));
        self
    }

    /// The network of the steps: `none`, `host` or, with the classic builder, a network's name.
    /// Default: the engine's.
    pub fn with_network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// A line in the steps' `/etc/hosts`.
    pub fn with_extra_host(mut self, host: impl Into<String>, address: impl Into<String>) -> Self {
        self.extra_hosts.push((host.into(), address.into()));
        self
    }

    /// The size of the steps' `/dev/shm`, in bytes. Default: the engine's.
    pub fn with_shm_size(mut self, bytes: u64) -> Self {
        self.shm_size = Some(bytes);
        self
    }

    /// A limit of resources for the steps, such as `nofile`.
    pub fn with_ulimit(mut self, name: impl Into<String>, soft: i64, hard: i64) -> Self {
        self.ulimits.push(Ulimit { name: name.into(), soft, hard });
        self
    }

    /// An image, with its cache in it or beside it, whose steps may be taken from the registry.
    pub fn with_cache_from(mut self, image: impl Into<String>) -> Self {
        self.cache_from.push(entry("registry", [("ref", image.into())]));
        self
    }

    /// A directory of [`with_cache_to_directory`](Self::with_cache_to_directory) whose steps may be taken. One
    /// that is not there is no mistake.
    pub fn with_cache_from_directory(mut self, path: impl Into<String>) -> Self {
        self.cache_from.push(entry("local", [("src", path.into())]));
        self
    }

    /// Keeps the cache in the image itself, for [`with_cache_from`](Self::with_cache_from) after a push.
    pub fn with_inline_cache(mut self) -> Self {
        self.cache_to.push(entry("inline", []));
        self
    }

    /// Keeps the cache of all stages in a registry (engines with a containerd image store).
    pub fn with_cache_to(mut self, image: impl Into<String>) -> Self {
        self.cache_to.push(entry("registry", [("ref", image.into()), ("mode", "max".to_owned())]));
        self
    }

    /// Keeps the cache of all stages in a directory, in the form of an OCI image layout, as `docker
    /// buildx build --cache-to type=local` does (engines with a containerd image store). What earlier
    /// builds have kept there stays beside it.
    pub fn with_cache_to_directory(mut self, path: impl Into<String>) -> Self {
        self.cache_to.push(entry("local", [("dest", path.into()), ("mode", "max".to_owned())]));
        self
    }

    /// Who builds. Default: BuildKit where it is there.
    pub fn with_backend(mut self, backend: BuildBackend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Also measures what each named stage would weigh as an image, for the report. Each is built
    /// from the cache and removed again, which takes some seconds for large ones.
    pub fn with_stage_sizes(mut self) -> Self {
        self.measure_stages = true;
        self
    }
}

fn entry<const N: usize>(kind: &'static str, attributes: [(&str, String); N]) -> CacheEntry {
    let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    CacheEntry { kind, attributes }
}

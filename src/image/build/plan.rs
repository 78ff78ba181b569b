//! From a builder to a request: all settings are checked, and nothing is built yet.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::super::context::{Prepared, digest};
use super::super::handle::own_name;
use super::builder::{BuildBackend, ImageBuilder, Named, Source};
use super::report::BaseImage;
use super::support;
use crate::connection::Engine;
use crate::dockerfile::Dockerfile;
use crate::engine::{Agent, BuildOutput, BuildRequest, Client, ImageDetails, NamedContext};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ImageRef, Platform, label, spec_hash};

/// A build that is ready to be sent.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) engine: Engine,
    pub(super) backend: BuildBackend,
    pub(super) request: BuildRequest,
    pub(super) names: Vec<ImageRef>,
    /// Whether an image with a name of the user's gets castoff's label.
    pub(super) marked: bool,
    /// The Dockerfile, without the parts that could not be parsed.
    pub(super) file: Dockerfile,
    pub(super) bases: Vec<BaseImage>,
    /// The requested platforms.
    pub(super) platforms: Vec<Platform>,
    /// Whether the classic builder could be used as well, and BuildKit was not set.
    pub(super) classic_would_do: bool,
    /// Key for sharing one build among concurrent callers; options that do not affect the image are in
    /// it as well.
    pub(super) key: String,
}

impl Plan {
    pub(super) async fn make(build: &ImageBuilder, output: BuildOutput) -> Result<Plan> {
        if let Some(problem) = &build.problem {
            return Err(problem.clone());
        }
        let engine = build.engine().await?;
        let names = names(build)?;
        label::validate_user_labels(&build.labels)?;
        let path = match &build.dockerfile {
            Source::Path(path) => Some(path.as_str()),
            _ => None,
        };
        let prepared = build.context.prepare(path).await?;
        let (text, file) = dockerfile(build, &prepared)?;
        let backend = support::choose(build, engine.client(), &file)?;
        let platforms = build.platforms.clone();
        let bases = bases(engine.client(), build, &file, platforms.first()).await?;
        let mut request = BuildRequest {
            dockerfile: text,
            context: prepared.context,
            ..request(build, &platforms, output)
        };
        request.tags = names.iter().map(ImageRef::familiar).collect();
        for (name, named) in &build.named {
            let named = match named {
                Named::Image(image) => NamedContext::Image(image.clone()),
                Named::Context(context) => NamedContext::Tree(context.prepare(None).await?.context),
            };
            request.named.push((name.clone(), named));
        }
        for (id, secret) in &build.secrets {
            request.secrets.insert(id.clone(), secret.read(id).await?);
        }
        request.agents = agents(build)?;
        let key = key(&request, backend, &bases).await?;
        let classic_would_do =
            build.backend.is_none() && support::classic(build, engine.client(), &file).is_ok();
        let marked = build.marked;
        Ok(Plan {
            engine,
            backend,
            request,
            names,
            marked,
            file,
            bases,
            platforms,
            classic_would_do,
            key,
        })
    }

    /// Returns the registries of the base images.
    pub(super) fn registries(&self) -> Vec<String> {
        let images = self.bases.iter().filter_map(|base| base.image.parse::<ImageRef>().ok());
        let mut registries: Vec<String> = images.map(|image| image.registry().to_owned()).collect();
        registries.sort();
        registries.dedup();
        registries
    }

    /// Returns the image of the plan's first name, if it came from the very same build. It then
    /// gets all of the plan's names.
    pub(super) async fn recognized(&self) -> Result<Option<ImageDetails>> {
        let fresh = self.request.no_cache || self.request.pull || !self.marked;
        let (Some(name), false) = (self.names.first(), fresh) else {
            return Ok(None);
        };
        let found = match self.engine.client().image_details(&name.familiar()).await {
            Ok(found) => found,
            Err(error) if error.status() == Some(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        if found.labels.get(label::IMAGE_BUILD) != Some(&self.key) {
            return Ok(None);
        }
        for name in self.names.iter().filter(|name| !found.names.contains(&name.familiar())) {
            self.engine.client().tag_image(&found.id, name).await?;
        }
        Ok(Some(found))
    }
}

fn names(build: &ImageBuilder) -> Result<Vec<ImageRef>> {
    build.names.iter().map(|name| own_name(name)).collect()
}

fn dockerfile(build: &ImageBuilder, prepared: &Prepared) -> Result<(String, Dockerfile)> {
    match &build.dockerfile {
        Source::Value(file) => Ok((file.render()?, (**file).clone())),
        Source::Text(text) => Ok((text.clone(), Dockerfile::parse(text).dockerfile)),
        Source::Path(path) => match &prepared.dockerfile {
            Some(text) => Ok((text.clone(), Dockerfile::parse(text).dockerfile)),
            None => {
                let message = format!(
                    "there is no `{path}` in the build's context, {}",
                    build.context.place()
                );
                Err(Error::new(ErrorKind::NotFound, message).at("context"))
            }
        },
    }
}

fn request(build: &ImageBuilder, platforms: &[Platform], output: BuildOutput) -> BuildRequest {
    let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    let host = build.network.as_deref() == Some("host");
    BuildRequest {
        target: build.target.clone(),
        args: build.args.clone(),
        labels: build.labels.clone(),
        platform: (!platforms.is_empty()).then(|| platforms.join(",")),
        no_cache: build.no_cache,
        pull: build.pull,
        network: build.network.clone(),
        extra_hosts: build.extra_hosts.clone(),
        shm_size: build.shm_size,
        ulimits: build.ulimits.clone(),
        cache_from: build.cache_from.clone(),
        cache_to: build.cache_to.clone(),
        entitlements: if host { vec!["network.host".to_owned()] } else { Vec::new() },
        output,
        ..BuildRequest::default()
    }
}

fn agents(build: &ImageBuilder) -> Result<BTreeMap<String, Agent>> {
    let mut agents = BTreeMap::new();
    for (id, agent) in &build.agents {
        let agent = match agent {
            Some(agent) => agent.clone(),
            None => match std::env::var_os("SSH_AUTH_SOCK") {
                Some(socket) if !socket.is_empty() => Agent { socket: socket.into() },
                _ => {
                    let message = "there is none: SSH_AUTH_SOCK is not set";
                    return Err(Error::invalid("ssh agent", message)
                        .with_hint("`with_ssh_agent` takes a socket"));
                }
            },
        };
        if !agent.socket.exists() {
            let message = format!("`{id}`: there is no socket at {}", agent.socket.display());
            return Err(Error::invalid("ssh agent", message));
        }
        agents.insert(id.clone(), agent);
    }
    Ok(agents)
}

/// Returns the base images of the stages, and the engine's details of each.
async fn bases(
    engine: &Client,
    build: &ImageBuilder,
    file: &Dockerfile,
    platform: Option<&Platform>,
) -> Result<Vec<BaseImage>> {
    let here = Platform::new("linux", engine.architecture());
    let target = platform.unwrap_or(&here);
    let given = |name: &str| {
        let automatic = match name {
            "TARGETPLATFORM" => Some(target.to_string()),
            "TARGETOS" => Some(target.os.clone()),
            "TARGETARCH" => Some(target.architecture.clone()),
            "TARGETVARIANT" => Some(target.variant.clone().unwrap_or_default()),
            "BUILDPLATFORM" => Some(here.to_string()),
            "BUILDOS" => Some(here.os.clone()),
            "BUILDARCH" => Some(here.architecture.clone()),
            _ => None,
        };
        build.args.get(name).cloned().or(automatic)
    };
    let mut bases = Vec::new();
    for base in file.bases(&given) {
        if build.named.iter().any(|(name, _)| *name == base.image) {
            continue;
        }
        let details = match base.image.parse::<ImageRef>() {
            Ok(image) => match engine.image_details(&image.familiar()).await {
                Ok(details) => Some(details),
                Err(error) if error.status() == Some(404) => None,
                Err(error) => return Err(error),
            },
            // The builder itself reports an invalid reference.
            Err(_) => None,
        };
        bases.push(BaseImage {
            stage: base.stage,
            image: base.image,
            platform: base.platform,
            details,
        });
    }
    Ok(bases)
}

/// Returns a hash of everything that the image depends on, and of its own settings.
async fn key(request: &BuildRequest, backend: BuildBackend, bases: &[BaseImage]) -> Result<String> {
    let mut trees = vec![("".to_owned(), request.context.tree.clone())];
    let mut images = Vec::new();
    for (name, context) in &request.named {
        match context {
            NamedContext::Tree(context) => trees.push((name.clone(), context.tree.clone())),
            NamedContext::Image(image) => images.push((name.clone(), image.clone())),
        }
    }
    let hashing = tokio::task::spawn_blocking(move || {
        trees
            .into_iter()
            .map(|(name, tree)| Ok((name, digest(&tree)?)))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let trees = hashing
        .await
        .map_err(|error| Error::other("hashing the context failed").with_source(error))?;
    let trees = trees.map_err(|error| {
        Error::new(ErrorKind::Io, "the build's context can't be read")
            .with_source(error)
            .at("context")
    })?;
    let bases: Vec<_> = bases
        .iter()
        .map(|base| (&base.image, &base.platform, base.details.as_ref().map(|details| &details.id)))
        .collect();
    let limits: Vec<_> =
        request.ulimits.iter().map(|limit| (&limit.name, limit.soft, limit.hard)).collect();
    let secrets: Vec<_> = request.secrets.keys().collect();
    Ok(spec_hash(&json!({
        "dockerfile": request.dockerfile,
        "trees": trees,
        "images": images,
        "bases": bases,
        "target": request.target,
        "args": request.args,
        "labels": request.labels,
        "platform": request.platform,
        "network": request.network,
        "hosts": request.extra_hosts,
        "shm": request.shm_size,
        "limits": limits,
        "secrets": secrets,
        "builder": backend.to_string(),
    })))
}

impl Plan {
    /// Returns the key under which concurrent builds are combined: the build's key, and inputs that
    /// must not be shared.
    pub(super) fn flight(&self) -> String {
        let secrets: Vec<_> =
            self.request.secrets.iter().map(|(id, secret)| (id, hash(secret))).collect();
        let fresh = (self.request.no_cache, self.request.pull, self.marked);
        let agents: Vec<_> =
            self.request.agents.iter().map(|(id, agent)| (id, &agent.socket)).collect();
        let endpoint = self.engine.endpoint().to_string();
        spec_hash(&(&self.key, secrets, fresh, agents, endpoint, &self.request.tags))
    }
}

fn hash(secret: &Bytes) -> String {
    spec_hash(&secret.to_vec())
}

//! Checks of an engine's and its builders' features, before anything is built.

use super::builder::{BuildBackend, ImageBuilder};
use crate::dockerfile::{CopyFiles, Dockerfile, Instruction};
use crate::engine::{ApiVersion, Client};
use crate::error::{Error, ErrorKind, Result};

/// The API version of Docker 23, whose BuildKit frontend supports heredocs and named contexts.
const MODERN: ApiVersion = ApiVersion::new(1, 42);

/// Chooses the builder, and fails if it does not support the build.
pub(super) fn choose(
    build: &ImageBuilder,
    engine: &Client,
    file: &Dockerfile,
) -> Result<BuildBackend> {
    let there = cfg!(feature = "buildkit") && has_buildkit(engine);
    let backend = match build.backend {
        Some(BuildBackend::BuildKit) if !there => {
            return Err(no_buildkit(engine, "it was asked for"));
        }
        Some(backend) => backend,
        None if there => BuildBackend::BuildKit,
        None => BuildBackend::Classic,
    };
    match backend {
        BuildBackend::BuildKit => buildkit(build, engine, file)?,
        BuildBackend::Classic => classic(build, engine, file)?,
    }
    Ok(backend)
}

/// Returns whether the engine has BuildKit. Docker has it since 18.09; Podman has neither of its
/// endpoints.
fn has_buildkit(engine: &Client) -> bool {
    !engine.is_podman() && engine.api_version() >= ApiVersion::new(1, 39) && engine.os() == "linux"
}

pub(super) fn no_buildkit(engine: &Client, why: &str) -> Error {
    let error = Error::new(ErrorKind::Unsupported, format!("{why}, which needs BuildKit"));
    if !has_buildkit(engine) {
        let message =
            format!("{:?} {} has none that could be used", engine.kind(), engine.version());
        return error.with_hint(message).at("build");
    }
    if cfg!(feature = "buildkit") {
        return error.with_hint("leave `with_backend(BuildBackend::Classic)` out").at("build");
    }
    error.with_hint("turn on castoff's feature `buildkit`").at("build")
}

fn buildkit(build: &ImageBuilder, engine: &Client, file: &Dockerfile) -> Result<()> {
    // A frontend that the Dockerfile names has its own features.
    if file.syntax.is_some() || engine.api_version() >= MODERN {
        return Ok(());
    }
    let missing = |what: String| {
        let message = format!("{what}, which needs Docker 23 (API {MODERN}) or newer");
        let hint =
            format!("this engine is Docker {}, API {}", engine.version(), engine.api_version());
        Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).at("build"))
    };
    if let Some(instruction) = file.heredoc() {
        return missing(format!("a {} of the Dockerfile has a heredoc", instruction.keyword()));
    }
    if let Some((name, _)) = build.named.first() {
        return missing(format!("the build has a context named `{name}`"));
    }
    match instructions(file).find_map(modern_flag) {
        Some(what) => missing(what.to_owned()),
        None => Ok(()),
    }
}

/// Returns a flag of the instruction that older BuildKit frontends don't know.
fn modern_flag(instruction: &Instruction) -> Option<&'static str> {
    match instruction {
        Instruction::Copy(CopyFiles { link: true, .. }) => Some("a COPY has --link"),
        Instruction::Copy(CopyFiles { parents: true, .. }) => Some("a COPY has --parents"),
        Instruction::Copy(copy) if !copy.exclude.is_empty() => Some("a COPY has --exclude"),
        Instruction::Add(add) if add.link => Some("an ADD has --link"),
        Instruction::Add(add) if add.checksum.is_some() => Some("an ADD has --checksum"),
        Instruction::Add(add) if add.keep_git_dir => Some("an ADD has --keep-git-dir"),
        _ => None,
    }
}

pub(super) fn classic(build: &ImageBuilder, engine: &Client, file: &Dockerfile) -> Result<()> {
    let needs = |what: &str| Err(no_buildkit(engine, what));
    if !build.secrets.is_empty() {
        return needs("the build is given a secret");
    }
    if !build.agents.is_empty() {
        return needs("the build is given an ssh agent");
    }
    if !build.named.is_empty() {
        return needs("the build has named contexts");
    }
    if !build.cache_to.is_empty() || build.cache_from.iter().any(|entry| entry.kind != "registry") {
        return needs("the build keeps its cache elsewhere");
    }
    if build.platforms.len() > 1 {
        return needs("the build is for several platforms at once");
    }
    if let Some(instruction) = file.heredoc() {
        return needs(&format!("a {} of the Dockerfile has a heredoc", instruction.keyword()));
    }
    // buildah, the builder behind Podman's endpoint, supports all of these.
    if engine.is_podman() {
        return Ok(());
    }
    for instruction in instructions(file) {
        let what = match instruction {
            Instruction::Run(run) if !run.mounts.is_empty() => "a RUN has a --mount",
            Instruction::Run(run) if run.network.is_some() => "a RUN has a --network",
            Instruction::Run(run) if run.security.is_some() => "a RUN has a --security",
            Instruction::Copy(copy) if copy.chmod.is_some() => "a COPY has --chmod",
            Instruction::Add(add) if add.chmod.is_some() => "an ADD has --chmod",
            other => match modern_flag(other) {
                Some(what) => what,
                None => continue,
            },
        };
        return needs(&format!("{what} in the Dockerfile"));
    }
    Ok(())
}

fn instructions(file: &Dockerfile) -> impl Iterator<Item = &Instruction> {
    file.stages.iter().flat_map(|stage| &stage.instructions)
}

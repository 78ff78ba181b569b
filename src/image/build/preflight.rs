//! Checks before a build: base images that do not exist for a platform, features that the engine
//! does not have, and slow emulation.

use super::builder::BuildBackend;
use super::plan::Plan;
use super::report::BaseImage;
use crate::connection::Engine;
use crate::engine::{BuildEvent, BuildOutput, OnEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ImageRef, Platform};

/// Checks that the base images exist for the platforms that they are needed for. Makes no request
/// about them if no platform was set.
pub(super) async fn check(plan: &Plan, on_event: &OnEvent) -> Result<()> {
    if plan.platforms.len() > 1 && matches!(plan.request.output, BuildOutput::Image) {
        several(plan).await?;
    }
    if plan.request.cache_to.iter().any(|entry| entry.kind != "inline") {
        cache_elsewhere(plan).await?;
    }
    for base in &plan.bases {
        for platform in wanted(plan, base) {
            let local = base.details.as_ref().and_then(|details| details.platform.as_ref());
            if local.is_some_and(|local| local.fits(&platform)) {
                continue;
            }
            base_exists(plan, base, &platform, local).await?;
        }
    }
    for platform in &plan.platforms {
        if let Some(message) = emulation(plan, platform).await {
            on_event(BuildEvent::Warning { step: String::new(), message, url: None });
        }
    }
    Ok(())
}

/// Fails if the engine can't store images of several platforms.
async fn several(plan: &Plan) -> Result<()> {
    if plan.engine.client().has_containerd_store().await? {
        return Ok(());
    }
    let message =
        "an image of several platforms, which needs an engine with a containerd image store";
    let hint = "build one per platform, push them, and join them with `registry::Registry::push_index`; \
                or write all to a file with `export_oci`";
    Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).at("preflight"))
}

/// Fails if the engine can store a cache in images only.
async fn cache_elsewhere(plan: &Plan) -> Result<()> {
    if plan.engine.client().has_containerd_store().await? {
        return Ok(());
    }
    let message =
        "a cache in a registry or a directory needs an engine with a containerd image store";
    let hint = "`with_inline_cache` keeps it in the image, for `with_cache_from` after a push";
    Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).at("preflight"))
}

/// Returns the platforms that a base image is explicitly needed for.
fn wanted(plan: &Plan, base: &BaseImage) -> Vec<Platform> {
    match &base.platform {
        // The builder itself reports an invalid platform.
        Some(platform) => platform.parse().into_iter().collect(),
        None => plan.platforms.clone(),
    }
}

async fn base_exists(
    plan: &Plan,
    base: &BaseImage,
    platform: &Platform,
    local: Option<&Platform>,
) -> Result<()> {
    let Ok(name) = base.image.parse::<ImageRef>() else { return Ok(()) };
    if name.is_id() {
        return Ok(());
    }
    let known = match registry_platforms(&plan.engine, &name).await {
        Ok(known) if known.is_empty() => return Ok(()),
        Ok(known) => known,
        Err(error) => match local {
            // There is no better source than the engine, which has another platform.
            Some(local) => return Err(unknown(base, platform, local, error)),
            None => {
                tracing::debug!(image = base.image, %error, "the platforms are not known");
                return Ok(());
            }
        },
    };
    let exists = known.iter().filter_map(|known| known.parse::<Platform>().ok());
    if exists.into_iter().any(|known| known.fits(platform)) {
        return Ok(());
    }
    Err(missing(base, platform, &known))
}

/// Asks the engine first, which knows a registry's mirrors, certificates and logins. Some engines
/// can't be asked (Podman has no `/distribution`), or only for one kind of manifest.
async fn registry_platforms(engine: &Engine, name: &ImageRef) -> Result<Vec<String>> {
    let login = engine.client().login_for(name.registry()).await;
    let told = engine.client().registry_platforms(name, login).await;
    match told {
        Ok(known) if !known.is_empty() => Ok(known),
        #[cfg(feature = "registry")]
        told => match engine.registry(name.registry()).await.inspect(name.to_string()).await {
            Ok(image) => Ok(image.platforms.iter().map(|one| one.platform.to_string()).collect()),
            Err(error) => {
                tracing::debug!(image = %name, %error, "the registry can't be asked directly");
                told
            }
        },
        #[cfg(not(feature = "registry"))]
        told => told,
    }
}

/// Returns the error for a base image that the engine has for another platform only, if its
/// registry could not be asked.
fn unknown(base: &BaseImage, platform: &Platform, local: &Platform, error: Error) -> Error {
    let BaseImage { image, stage, .. } = base;
    let message = format!(
        "the base image {image} of stage {stage} is needed for {platform}; the engine has it for \
         {local}, and could not find out from its registry whether there is another"
    );
    // It is unknown whether the image exists.
    let kind = match error.kind() {
        kind @ (ErrorKind::ImageDenied | ErrorKind::Connection | ErrorKind::Timeout) => kind,
        _ => ErrorKind::Pull,
    };
    let hint = match error.hint() {
        Some(hint) => hint.to_owned(),
        None => format!("is the registry reachable? `docker pull --platform {platform} {image}`"),
    };
    let error = Error::new(kind, message).with_source(error).with_hint(hint);
    error.with_image(image.clone()).at("preflight")
}

fn missing(base: &BaseImage, platform: &Platform, known: &[String]) -> Error {
    let BaseImage { image, stage, .. } = base;
    let message = format!("the base image {image} of stage {stage} does not exist for {platform}");
    let error = Error::new(ErrorKind::ImageNotFound, message).with_image(image.clone());
    error.with_hint(format!("it exists for {}", known.join(", "))).at("preflight")
}

/// Returns a warning about running a platform's programs, if it is not the engine's own.
async fn emulation(plan: &Plan, platform: &Platform) -> Option<String> {
    if platform.architecture == plan.engine.architecture() || plan.backend != BuildBackend::BuildKit
    {
        return None;
    }
    let known = build_platforms(plan).await?;
    let emulated = known.iter().filter_map(|known| known.parse::<Platform>().ok());
    Some(match emulated.into_iter().any(|known| known.fits(platform)) {
        true => format!("{platform} is emulated on this engine, which makes RUN steps slow"),
        false => format!(
            "this engine can't run programs for {platform}, as no emulation is registered with its \
             kernel (binfmt_misc): only stages without RUN can be built for it"
        ),
    })
}

#[cfg(feature = "buildkit")]
async fn build_platforms(plan: &Plan) -> Option<Vec<String>> {
    plan.engine.client().build_platforms().await.ok()
}

#[cfg(not(feature = "buildkit"))]
async fn build_platforms(_: &Plan) -> Option<Vec<String>> {
    None
}

/// Adds a hint to the error of a step that could not run because of its platform or a secret.
pub(super) fn explained(plan: &Plan, error: Error) -> Error {
    let text = error.to_string();
    if error.exit_code().is_none() && text.contains("secret ") && text.contains("not found") {
        let given: Vec<&str> = plan.request.secrets.keys().map(String::as_str).collect();
        let given = if given.is_empty() { "none".to_owned() } else { given.join(", ") };
        return error.with_hint(format!(
            "the build was given these secrets: {given}; `with_secret`, `with_secret_file` and `with_secret_env` give more"
        ));
    }
    let told = error.log_tail().iter().any(|line| line.contains("exec format error"));
    if !told && !error.to_string().contains("exec format error") {
        return error;
    }
    let here = plan.engine.architecture();
    let asked: Vec<String> = plan.platforms.iter().map(ToString::to_string).collect();
    let asked = if asked.is_empty() { "the base image".to_owned() } else { asked.join(", ") };
    error.with_hint(format!(
        "the engine runs {here}, and can't run programs for {asked}: register an emulation with its \
         kernel (binfmt_misc), or keep RUN to stages with `--platform=$BUILDPLATFORM`"
    ))
}

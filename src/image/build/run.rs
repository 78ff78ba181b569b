//! The run of a build, from the plan to the handle of its image.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::Image;
use super::advice::advice;
use super::builder::{BuildBackend, ImageBuilder};
use super::plan::Plan;
use super::record::Record;
use super::report::{BuildReport, LayerReport, StageReport};
use super::{flight, preflight, step_images, tracing_events};
use crate::engine::{
    BuildOutput, BuildRequest, Built, Client, Content, ImageDetails, Meaning, OnEvent, Tree,
    TreeEntry, says,
};
use crate::error::Result;
#[cfg(not(feature = "buildkit"))]
use crate::error::{Error, ErrorKind};
use crate::reaper::{self, Guard, Kind};
use crate::spec::{ImageRef, label, spec_hash};

pub(super) async fn build(build: ImageBuilder) -> Result<Image> {
    let plan = Plan::make(&build, BuildOutput::Image).await?;
    let mut listeners = build.listeners.clone();
    listeners.push(tracing_events::listener());
    let (key, measure) = (plan.flight(), build.measure_stages);
    let making = |on_event: OnEvent| -> Pin<Box<dyn Future<Output = Result<Image>> + Send>> {
        Box::pin(async move { make(plan, measure, on_event).await })
    };
    flight::join(key, listeners, making).await
}

async fn make(plan: Plan, measure: bool, on_event: OnEvent) -> Result<Image> {
    if let Some(found) = plan.recognized().await? {
        let report = BuildReport {
            recognized: true,
            ..report(&plan, &plan.names[0].familiar(), &found).await?
        };
        return Ok(Image::new(plan.engine, None, found.id, plan.names, report));
    }
    let record = Arc::new(Mutex::new(Record::default()));
    let on_event = recorded(&record, on_event);
    let started = Instant::now();
    preflight::check(&plan, &on_event).await?;
    let (guard, names, details) = match plan.names.is_empty() {
        true => {
            let (guard, name, details) = guarded(&plan, plan.request.clone(), &on_event).await?;
            (Some(guard), vec![name], details)
        }
        false => (None, plan.names.clone(), named(&plan, &on_event).await?),
    };
    let took = started.elapsed();
    let mut report = report(&plan, &names[0].familiar(), &details).await?;
    report.took = took;
    {
        let record = record.lock().unwrap_or_else(PoisonError::into_inner);
        report.steps = record.steps();
        report.warnings.clone_from(&record.warnings);
    }
    report.advice = advice(&plan.file, plan.backend, &report.steps);
    if measure {
        for stage in &mut report.stages {
            stage.size = stage_size(&plan, &stage.name, &on_event).await?;
        }
    }
    Ok(Image::new(plan.engine, guard, details.id, names, report))
}

/// Returns a listener that records events and passes them on.
fn recorded(record: &Arc<Mutex<Record>>, on_event: OnEvent) -> OnEvent {
    let record = record.clone();
    Arc::new(move |event| {
        record.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
        on_event(event);
    })
}

/// Builds an image that is removed with its guard.
async fn guarded(
    plan: &Plan,
    mut request: BuildRequest,
    on_event: &OnEvent,
) -> Result<(Guard, ImageRef, ImageDetails)> {
    let (engine, owner) = (plan.engine.client(), plan.engine.owner());
    let guard = Guard::arm(engine, owner, Kind::Image, None).await?;
    if !engine.is_podman() {
        // Docker ends a build with its connection, so no image is created much later. Podman ends
        // it after the current step.
        guard.answered();
    }
    let name: ImageRef = guard.resource().parse()?;
    request.tags = vec![name.familiar()];
    request.step_labels = guard.labels();
    request.labels.extend(request.step_labels.iter().cloned());
    let built = send(plan, &request, Some(&guard), on_event).await;
    if let Err(error) = &built {
        guard.refused(error);
    }
    let details = outcome(engine, &built?, &name).await?;
    guard.created(&details.id);
    Ok((guard, name, details))
}

/// Builds an image that stays.
async fn named(plan: &Plan, on_event: &OnEvent) -> Result<ImageDetails> {
    let engine = plan.engine.client();
    let mut request = plan.request.clone();
    if plan.marked {
        request.labels.insert(label::IMAGE_BUILD.to_owned(), plan.key.clone());
    }
    // Clears labels inherited from a base image of a session: the new image belongs to no session.
    let inherited = plan.bases.iter().filter_map(|base| base.details.as_ref());
    let whose = [label::SESSION, label::OWNER, label::RESOURCE, label::SHARED, label::KEPT];
    for key in whose.into_iter().chain([label::HOST]) {
        let key = label::on_image(key);
        if inherited.clone().any(|base| base.labels.contains_key(&key)) {
            request.labels.insert(key, String::new());
        }
    }
    let mut before = BTreeMap::new();
    for name in &plan.names {
        if let Ok(details) = engine.image_details(&name.familiar()).await {
            before.insert(details.id.clone(), details);
        }
    }
    let built = send(plan, &request, None, on_event).await?;
    let details = outcome(engine, &built, &plan.names[0]).await?;
    before.remove(&details.id);
    for replaced in before.into_values() {
        forget(engine, replaced).await;
    }
    Ok(details)
}

/// Removes an image that had the name before, if castoff built it, it has no name any more and
/// nothing depends on it.
async fn forget(engine: &Client, replaced: ImageDetails) {
    if !replaced.labels.contains_key(label::IMAGE_BUILD) {
        return;
    }
    match engine.image_details(&replaced.id).await {
        Ok(now) if now.names.is_empty() => {}
        _ => return,
    }
    if let Err(error) = engine.untag_image(&replaced.id).await {
        tracing::debug!(id = replaced.id, %error, "an image that was replaced is still needed");
    }
}

async fn outcome(engine: &Client, built: &Built, name: &ImageRef) -> Result<ImageDetails> {
    // Another image may have the name by now, but not the id.
    if let Some(id) = &built.id
        && let Ok(details) = engine.image_details(id).await
    {
        return Ok(details);
    }
    engine.image_details(&name.familiar()).await
}

/// Delays before retrying a build whose cached layers were removed concurrently, in milliseconds.
const PAUSES: [u64; 4] = [50, 200, 500, 1_000];

/// Sends the request to the builder. With a guard, the images of its steps are removed as well.
async fn send(
    plan: &Plan,
    request: &BuildRequest,
    guard: Option<&Guard>,
    on_event: &OnEvent,
) -> Result<Built> {
    reaper::builds(send_again(plan, request, guard, on_event)).await
}

async fn send_again(
    plan: &Plan,
    request: &BuildRequest,
    guard: Option<&Guard>,
    on_event: &OnEvent,
) -> Result<Built> {
    for pause in PAUSES {
        match send_once(plan, request, guard, on_event).await {
            Err(error) if lost_a_snapshot(&error) => {
                tracing::debug!(%error, "the build is sent again");
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            outcome => return outcome,
        }
    }
    send_once(plan, request, guard, on_event).await
}

/// Returns whether a build failed because its layers were removed: a containerd store that removes
/// another image at the same moment may remove layers that a build has just found in its cache,
/// with either builder (observed with Docker 26.1 and Podman 4.3).
fn lost_a_snapshot(error: &crate::error::Error) -> bool {
    // A step that ran and failed may contain such text in its command.
    if error.exit_code().is_some() || !error.log_tail().is_empty() {
        return false;
    }
    says(&error.to_string(), Meaning::LayerLost)
}

async fn send_once(
    plan: &Plan,
    request: &BuildRequest,
    guard: Option<&Guard>,
    on_event: &OnEvent,
) -> Result<Built> {
    let classic = async || {
        step_images::build(&plan.engine, request, guard, &plan.registries(), on_event).await
    };
    let sent = match plan.backend {
        BuildBackend::BuildKit => {
            match with_buildkit(plan.engine.client(), request, on_event).await {
                // An engine may report itself as Docker and have no sessions.
                Err(error)
                    if plan.classic_would_do && matches!(error.status(), Some(404 | 410)) =>
                {
                    classic().await
                }
                outcome => outcome,
            }
        }
        BuildBackend::Classic => classic().await,
    };
    sent.map_err(|error| preflight::explained(plan, error))
}

#[cfg(feature = "buildkit")]
pub(super) async fn with_buildkit(
    engine: &Client,
    request: &BuildRequest,
    on_event: &OnEvent,
) -> Result<Built> {
    engine.build_with_buildkit(request, Arc::new(dockerfile_tree(request)), on_event).await
}

#[cfg(not(feature = "buildkit"))]
pub(super) async fn with_buildkit(_: &Client, _: &BuildRequest, _: &OnEvent) -> Result<Built> {
    Err(Error::new(ErrorKind::Unsupported, "castoff was built without its feature `buildkit`"))
}

/// Returns the Dockerfile, and an ignore file without patterns: ignored files are left out already,
/// and BuildKit would otherwise read a `.dockerignore` in the context.
#[cfg_attr(not(feature = "buildkit"), expect(dead_code, reason = "BuildKit's own form"))]
fn dockerfile_tree(request: &BuildRequest) -> Tree {
    let file = |path: &str, text: &str| TreeEntry {
        path: path.to_owned(),
        mode: 0o644,
        // BuildKit takes a file of the same size and mtime as unchanged.
        modified: time_of(text),
        size: text.len() as u64,
        content: Content::Bytes(Bytes::copy_from_slice(text.as_bytes())),
    };
    Tree::new(vec![
        file("Dockerfile", &request.dockerfile),
        file("Dockerfile.dockerignore", "# nothing more\n"),
    ])
}

/// A modification time derived from the content, so that BuildKit sees a changed file.
fn time_of(text: &str) -> i64 {
    let digits = spec_hash(&text);
    let digits = digits.get(..15).unwrap_or_default();
    i64::from_str_radix(digits, 16).unwrap_or_default()
}

/// Returns the size of a named stage as an image.
async fn stage_size(plan: &Plan, stage: &str, on_event: &OnEvent) -> Result<Option<u64>> {
    let named = plan.file.stages.iter().any(|one| one.name.as_deref() == Some(stage));
    if !named {
        return Ok(None);
    }
    let target = Some(stage.to_owned());
    let request = BuildRequest { target, no_cache: false, ..plan.request.clone() };
    let (guard, _, details) = guarded(plan, request, on_event).await?;
    guard.remove().await?;
    Ok(Some(details.size))
}

async fn report(plan: &Plan, name: &str, details: &ImageDetails) -> Result<BuildReport> {
    let history = match plan.engine.client().image_history(&details.id).await {
        // A containerd store has not unpacked an image for another platform.
        Err(error) if error.status() == Some(404) => Vec::new(),
        history => history?,
    };
    let layers = history.into_iter().filter(|layer| layer.size > 0);
    let mut layers: Vec<LayerReport> = layers
        .map(|layer| LayerReport { created_by: layer.created_by, size: layer.size })
        .collect();
    layers.sort_by_key(|layer| std::cmp::Reverse(layer.size));
    Ok(BuildReport {
        image: name.to_owned(),
        backend: Some(plan.backend),
        stages: stages(plan),
        size: details.size,
        layers,
        ..BuildReport::default()
    })
}

/// Returns the stages that begin with an image or with `scratch`.
fn stages(plan: &Plan) -> Vec<StageReport> {
    let mut stages = Vec::new();
    for (number, stage) in plan.file.stages.iter().enumerate() {
        let name = stage.name.clone().unwrap_or_else(|| number.to_string());
        let base = plan.bases.iter().find(|base| base.stage == name);
        let scratch = stage.from.to_string() == "scratch";
        if base.is_none() && !scratch {
            continue;
        }
        let image = base.map_or_else(|| "scratch".to_owned(), |base| base.image.clone());
        let base_size = base.and_then(|base| base.details.as_ref()).map(|details| details.size);
        stages.push(StageReport { name, base: image, base_size, size: None });
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::lost_a_snapshot;
    use crate::error::Error;

    #[test]
    fn a_step_that_failed_by_itself_is_not_run_again() {
        let lost = || Error::other("parent snapshot sha256:00 does not exist: not found");
        assert!(lost_a_snapshot(&lost()));
        assert!(lost_a_snapshot(&Error::other("getting top layer info: layer not known")));
        assert!(!lost_a_snapshot(&lost().with_log_tail(vec!["said so".to_owned()])));
        assert!(!lost_a_snapshot(&Error::other("step `RUN false`: exit code: 1")));
    }
}

//! [`HealthWait`]: waits until the container's health check passes.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::engine::{EngineKind, Health, HealthEvent};
use crate::error::{Error, ErrorKind, Result};

/// A wait for the container's health check to pass; made by [`WaitFor::health`].
///
/// The engine pushes changes of health. An unhealthy container is an error at once, as the health
/// check's own retries are used up by then.
///
/// Podman runs health checks by systemd timers, and so not at all without systemd. On Podman the
/// wait therefore runs the check's command itself until it passes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct HealthWait {}

impl HealthWait {
    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl WaitStrategy for HealthWait {
    fn fingerprint(&self) -> Option<String> {
        Some("health".to_owned())
    }

    fn describe(&self) -> String {
        "healthcheck to pass".to_owned()
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            if !target.details().has_healthcheck {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the container has no healthcheck to wait for",
                )
                .with_hint("add one with `.with_healthcheck(..)`, or wait for something else"));
            }
            match target.client().kind() {
                EngineKind::Podman => run_the_check(target).await,
                _ => follow(target).await,
            }
        })
    }

    fn sees_exit(&self) -> bool {
        true
    }
}

async fn follow(target: &WaitTarget) -> Result<()> {
    // Engines report a container that has ended as unhealthy.
    match target.details().state.health {
        Some(Health::Healthy) => return Ok(()),
        Some(Health::Unhealthy) => unhealthy(target).await?,
        _ => {}
    }
    let since = target.details().started.unwrap_or_default();
    let mut events = target.client().health_events(target.id(), since);
    while let Some(event) = events.next().await {
        match event? {
            HealthEvent::Health(Health::Healthy) => return Ok(()),
            HealthEvent::Health(Health::Unhealthy) => unhealthy(target).await?,
            HealthEvent::Health(health) => target.record_probe(format!("{health:?}")),
            HealthEvent::Ended => {
                if target.is_restarted() && target.runs_again().await? {
                    continue;
                }
                let code = target.client().wait_container(target.id()).await.ok();
                return Err(target.ended(code));
            }
        }
    }
    Err(Error::new(ErrorKind::Connection, "the engine ended its event stream"))
}

/// Returns the error for an unhealthy container, or `Ok` while it is between two runs.
async fn unhealthy(target: &WaitTarget) -> Result<()> {
    let found = target.client().inspect_container(target.id()).await;
    let state = found.ok().map(|details| details.state);
    if let Some(ended) = state.as_ref().filter(|state| !state.running) {
        return match target.is_restarted() {
            true => Ok(()),
            false => Err(target.ended(Some(ended.exit_code))),
        };
    }
    let output = state.and_then(|state| state.health_output);
    let error = Error::new(ErrorKind::Unhealthy, "the container is unhealthy");
    Err(error.with_last_probe(output.map(|output| output.trim().to_owned())))
}

async fn run_the_check(target: &WaitTarget) -> Result<()> {
    let details = target.details();
    let test = &details.healthcheck_test;
    let command: Vec<String> = match test.split_first() {
        Some((kind, argv)) if kind == "CMD" => argv.to_vec(),
        Some((kind, script)) if kind == "CMD-SHELL" => {
            ["/bin/sh".to_owned(), "-c".to_owned()].into_iter().chain(script.to_vec()).collect()
        }
        // Podman stores a plain string as a list of words.
        _ => vec!["/bin/sh".to_owned(), "-c".to_owned(), test.join(" ")],
    };
    let check = WaitFor::from(WaitFor::exec(command));
    let passing = std::pin::pin!(check.wait(target));
    let ended = std::pin::pin!(target.last_exit());
    match select(passing, ended).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((code, _)) => Err(target.ended(Some(code?))),
    }
}

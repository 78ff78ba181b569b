//! The race of waits with the container's end and the clock, and the errors when they lose.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::combined::{all, describe_all};
use super::{WaitFor, WaitTarget};
use crate::engine::{Client, ContainerDetails, ContainerState, LogRequest};
use crate::error::{Error, ErrorKind, Result};

/// Exit code of a process killed by SIGKILL, as a shell reports it.
const KILLED: i64 = 128 + 9;
/// Limit for an engine to report, after a container's end, that it ran out of memory.
const OOM_LIMIT: Duration = Duration::from_millis(500);
/// Limit for the requests that add details to an error.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(5);
/// Limit for the waits to complete after the container has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Limit for the engine to report a container's end after it refused a call for that reason.
const ENDED_LIMIT: Duration = Duration::from_secs(5);
const TAIL_LINES: u64 = TAIL as u64;
const TAIL: usize = 20;
const HEAD_LINES: usize = 5;
/// The time in nanoseconds by which a process may have written before its recorded start.
const EARLIER: u32 = 100_000_000;
const HEAD_BYTES: usize = 16 * 1024;
const TAIL_WIDTH: usize = 500;

/// Waits until a started container is ready: for all of `waits`, or for the default ones if empty.
pub(crate) async fn until_ready(
    target: &WaitTarget,
    waits: &[WaitFor],
    limit: Duration,
) -> Result<()> {
    let mut waits = waits.to_vec();
    let waiting = async {
        if waits.is_empty() {
            // Between two runs, no ports are published.
            if !target.details().state.running && target.is_restarted() {
                target.runs_again().await?;
            }
            waits = default_waits(target);
        }
        raced(target, &waits).await
    };
    let outcome = tokio::time::timeout(limit, waiting).await;
    let error = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => {
            let message = format!("the container was not ready after {limit:?}");
            Error::new(ErrorKind::WaitTimeout, message)
        }
    };
    let error = error.at("wait").with_condition(describe_all(&waits));
    Err(error.with_last_probe(target.last_seen()))
}

/// Returns the health check's wait, else those of all published TCP ports, else none.
fn default_waits(target: &WaitTarget) -> Vec<WaitFor> {
    if target.details().has_healthcheck {
        return vec![WaitFor::health().into()];
    }
    target.tcp_ports().into_iter().map(|port| WaitFor::port(port).into()).collect()
}

async fn raced(target: &WaitTarget, waits: &[WaitFor]) -> Result<()> {
    let waiting = std::pin::pin!(all(waits, target));
    if waits.is_empty() {
        return match &target.details().state {
            state if state.running => Ok(()),
            state => Err(target.ended(Some(state.exit_code))),
        };
    }
    // Only if all waits notice the end: else some could be done while the others wait in vain.
    if waits.iter().all(WaitFor::sees_exit) {
        return waiting.await;
    }
    let ended = std::pin::pin!(target.last_exit());
    match select(waiting, ended).await {
        // A strategy may learn of the end first, if the engine refuses its call.
        Either::Left((Err(error), ended)) if may_be_of_the_end(target, &error) => {
            match tokio::time::timeout(ENDED_LIMIT, ended).await {
                Ok(Ok(code)) => Err(target.ended(Some(code)).with_source(error)),
                _ => Err(error),
            }
        }
        Either::Left((outcome, _)) => outcome,
        Either::Right((Ok(code), waiting)) => {
            // The end may be the awaited condition, and the last output may still be under way.
            let last = tokio::time::timeout(LAST_WORDS, waiting).await;
            match last {
                Ok(Err(error)) if may_be_of_the_end(target, &error) => {
                    Err(target.ended(Some(code)).with_source(error))
                }
                Ok(outcome) => outcome,
                Err(_) => Err(target.ended(Some(code))),
            }
        }
        // The request for the end failed, not the container: the waits and the clock go on.
        Either::Right((Err(error), waiting)) => {
            tracing::debug!(%error, "the container's end can't be watched");
            waiting.await
        }
    }
}

/// Returns whether an error may be due to the container's end: the engine refuses calls that need a
/// running container, and publishes no ports any more.
fn may_be_of_the_end(target: &WaitTarget, error: &Error) -> bool {
    let unpublished = error.kind() == ErrorKind::PortNotPublished;
    error.is_engine_answer() || (unpublished && !target.details().state.running)
}

/// Adds the engine's knowledge of a container to an error about it: exit code, whether it ran out
/// of memory, and its last log lines.
pub(crate) async fn diagnose(engine: &Client, id: &str, error: Error) -> Error {
    let ended = |state: &ContainerState| {
        !state.running && (state.status != "created" || state.exit_code != 0)
    };
    let asking = async {
        let details = engine.inspect_container(id).await.ok();
        let tty = details.as_ref().is_some_and(|details| details.tty);
        let state = async {
            let mut details = details?;
            if !details.state.oom_killed && was_out_of_memory(engine, &details).await {
                details.state.oom_killed = true;
            }
            let head =
                if ended(&details.state) { log_head(engine, &details).await } else { Vec::new() };
            Some((details.state, head))
        };
        futures_util::future::join(state, log_tail(engine, id, tty)).await
    };
    let Ok((state, tail)) = tokio::time::timeout(DIAGNOSIS_LIMIT, asking).await else {
        return error;
    };
    let mut error = error.with_log_tail(tail);
    if let Some((state, head)) = state.filter(|(state, _)| ended(state)) {
        if error.log_tail().len() >= TAIL {
            error = error.with_log_head(head);
        }
        error = error.with_exit(state.exit_code, state.oom_killed);
    }
    error
}

/// Returns whether a container was killed for lack of memory, although its state does not report
/// it.
async fn was_out_of_memory(engine: &Client, details: &ContainerDetails) -> bool {
    if !details.memory_limited || details.state.exit_code != KILLED || details.state.running {
        return false;
    }
    let since = details.started.unwrap_or_default();
    let told = engine.out_of_memory(&details.id, since);
    matches!(tokio::time::timeout(OOM_LIMIT, told).await, Ok(Ok(true)))
}

/// Returns the first lines of the last run, from at most 16 KiB of log.
async fn log_head(engine: &Client, details: &ContainerDetails) -> Vec<String> {
    // A process may write before the time that the engine notes as its start.
    let since = details.started.map(|(seconds, nanos)| match nanos.checked_sub(EARLIER) {
        Some(nanos) => (seconds, nanos),
        None => (seconds - 1, nanos + 1_000_000_000 - EARLIER),
    });
    let request = LogRequest { since, ..LogRequest::all(details.tty) };
    let mut frames = engine.container_logs(&details.id, &request);
    let mut text = Vec::new();
    while text.len() < HEAD_BYTES && memchr::memchr_iter(b'\n', &text).count() < HEAD_LINES {
        let Some(Ok(frame)) = frames.next().await else { break };
        text.extend_from_slice(&frame.bytes);
    }
    let mut lines = shown(&text);
    lines.truncate(HEAD_LINES);
    lines
}

async fn log_tail(engine: &Client, id: &str, tty: bool) -> Vec<String> {
    let request = LogRequest { tail: Some(TAIL_LINES), ..LogRequest::all(tty) };
    let mut frames = engine.container_logs(id, &request);
    let mut text = Vec::new();
    while let Some(Ok(frame)) = frames.next().await {
        text.extend_from_slice(&frame.bytes);
        if !frame.bytes.ends_with(b"\n") && frame.bytes.len() < 16 * 1024 {
            text.push(b'\n');
        }
    }
    let lines = shown(&text);
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

fn shown(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().map(|line| line.chars().take(TAIL_WIDTH).collect()).collect()
}

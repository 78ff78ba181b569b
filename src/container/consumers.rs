//! Log consumers: each on a thread of its own, as long as the container exists.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::StreamExt;

use super::builder::LogConsumer;
use crate::engine::{Client, LogRequest, Seen};
use crate::error::Result;

/// Feeds a consumer with all output of a container, over restarts, until the container is removed.
///
/// Each consumer has its own thread and connection: a slow or panicking one does not affect others
/// and needs no runtime of the caller's, and unread output waits at the engine.
pub(super) fn feed(engine: &Client, id: &str, tty: bool, consumer: LogConsumer) {
    let (engine, id) = (engine.clone(), id.to_owned());
    let span = tracing::Span::current();
    let spawned = std::thread::Builder::new().name("castoff-logs".into()).spawn(move || {
        let _in = span.enter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = match runtime {
            Ok(runtime) => runtime.block_on(follow_runs(&engine, &id, tty, &consumer)),
            Err(error) => {
                tracing::warn!(%error, "a log consumer could not be started");
                return;
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, id, "a log consumer has come to its end");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "a log consumer could not be started");
    }
}

async fn follow_runs(engine: &Client, id: &str, tty: bool, consumer: &LogConsumer) -> Result<()> {
    let mut seen = Seen::default();
    let mut followed = (1, 0);
    loop {
        // Since the last known start, so that one between the inspect call and this call is
        // included.
        let mut starts = engine.container_starts(id, followed);
        followed = loop {
            // Engines report a time long ago for a container that never started.
            let started = engine.inspect_container(id).await?.started;
            match started.filter(|started| started.0 > 0 && *started != followed) {
                Some(started) => break started,
                None => match starts.next().await {
                    Some(event) => drop(event?),
                    None => return Ok(()),
                },
            }
        };
        drop(starts);
        let mut frames = engine.container_logs(id, &LogRequest::follow(tty));
        // The log includes the earlier runs.
        let mut left = seen;
        while let Some(frame) = frames.next().await {
            let Some(frame) = left.behind(frame?) else { continue };
            seen.note(&frame);
            if catch_unwind(AssertUnwindSafe(|| consumer(frame))).is_err() {
                tracing::warn!(id, "a log consumer panicked, and gets no more");
                return Ok(());
            }
        }
    }
}

//! Spans that end with how long the step took.

use std::future::Future;
use std::time::Instant;

use tracing::{Instrument, Span};

/// Runs a step inside its span; its duration is the span's last event.
///
/// The step is boxed: futures hold what they await by value, more than once in a debug build, and
/// a few of these within each other would be more than a test's stack takes.
pub(crate) fn timed<T>(span: Span, step: impl Future<Output = T>) -> impl Future<Output = T> {
    let step = Box::pin(step);
    let timed = async move {
        let began = Instant::now();
        let output = step.await;
        tracing::debug!(elapsed_us = began.elapsed().as_micros() as u64, "done");
        output
    };
    timed.instrument(span)
}

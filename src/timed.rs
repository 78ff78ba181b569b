//! Spans whose last event is the duration of the step.

use std::future::Future;
use std::time::Instant;

use tracing::{Instrument, Span};

/// Runs a step inside its span and records its duration as the span's last event.
///
/// The step is boxed: a future holds the futures that it awaits by value, more than once in a debug
/// build, and a few nested ones would overflow a test's stack.
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

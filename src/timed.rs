//! Spans that end with how long the step took.

use std::future::Future;
use std::time::Instant;

use tracing::{Instrument, Span};

/// Runs a step inside its span; its duration is the span's last event.
pub(crate) async fn timed<T>(span: Span, step: impl Future<Output = T>) -> T {
    let step = async move {
        let began = Instant::now();
        let output = step.await;
        tracing::debug!(elapsed_us = began.elapsed().as_micros() as u64, "done");
        output
    };
    step.instrument(span).await
}

//! Building images.

mod advice;
mod builder;
mod export;
mod flight;
mod options;
mod plan;
mod preflight;
mod progress;
mod record;
mod report;
mod run;
mod step_images;
mod support;
#[cfg(feature = "progress")]
mod terminal;
mod tracing_events;

pub use builder::{BuildBackend, ImageBuilder};
pub use progress::BuildProgress;
pub use report::{BuildReport, LayerReport, StageReport, StepReport};

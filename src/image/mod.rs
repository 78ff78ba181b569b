//! Layer 5: images.
//!
//! [`Engine::images`](crate::Engine::images) pulls and inspects images; [`Image`] is the handle to
//! one that castoff created, which is removed when the handle is dropped.

mod archive;
mod build;
mod context;
mod handle;
mod images;
mod names;
mod pull;
mod push;

pub use build::{
    BuildBackend, BuildProgress, BuildReport, ImageBuilder, LayerReport, StageReport, StepReport,
};
pub use context::BuildContext;
pub use handle::Image;
pub use images::{Images, Pull};
pub use pull::PullProgress;

pub(crate) use names::{Names, resolve};
pub(crate) use pull::{for_platform, is_missing, not_there, pull_after, pulled};

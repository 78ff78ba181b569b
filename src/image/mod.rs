//! Floor 3: images.
//!
//! [`Engine::images`](crate::Engine::images) pulls and looks; [`Image`] is one that castoff
//! made, and removes when it is dropped.

mod context;
mod images;
mod names;
mod owned;
mod pull;

pub use context::BuildContext;
pub use images::{Images, Pull};
pub use owned::Image;
pub use pull::PullProgress;

pub(crate) use names::{Names, resolve};
pub(crate) use pull::{is_missing, not_there, pull_after, pulled};

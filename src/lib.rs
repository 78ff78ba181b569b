//! castoff

pub mod config;
pub mod container;
pub mod engine;
pub mod error;
pub mod image;
mod network;
mod reaper;
pub mod spec;
mod volume;
pub mod wait;

pub use container::{Container, ContainerBuilder, CopySource, IntoAliases};
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result};
pub use image::Image;
pub use network::{Network, NetworkBuilder};
pub use volume::{Volume, VolumeBuilder};
pub use wait::WaitFor;

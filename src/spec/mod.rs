//! Specs of containers, networks and volumes: plain values without I/O.
//!
//! Values are set freely and checked once: `validate` names the wrong field and value before
//! anything reaches an engine. Equal specs have an equal hash in every process, by which processes
//! find the container that they share.

mod check;
mod container;
mod hash;
mod healthcheck;
mod image_grammar;
mod image_ref;
pub mod label;
mod mount;
mod network;
mod platform;
mod port;
mod pull_policy;
pub(crate) mod redacted;
mod resources;
mod restart;
mod text;
mod validate;
mod volume;

pub use container::ContainerSpec;
pub(crate) use hash::spec_hash;
pub use healthcheck::{HealthTest, Healthcheck};
pub use image_ref::ImageRef;
pub use mount::{Mount, MountKind};
pub use network::{Attachment, NetworkMode, NetworkSpec, Subnet};
pub use platform::{IntoPlatform, Platform};
pub use port::{HostBinding, IntoPort, Port, Protocol};
pub use pull_policy::PullPolicy;
pub use resources::{Resources, Ulimit};
pub use restart::RestartPolicy;
pub(crate) use text::as_text;
pub use volume::VolumeSpec;

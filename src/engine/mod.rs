//! Layer 1: the engine behind the SDK, one file per noun of the Engine API.
//!
//! `Client` finds and holds the connection. This is the only layer that knows `bollard`; the
//! layers above see castoff's own types. The one way through is the feature `unstable-bollard`, with
//! `Engine::bollard`, and `CreateBody` for `ContainerBuilder::with_raw`.

mod archive;
mod auth;
mod build;
mod chunks;
mod client;
mod container;
mod context;
mod credential_helper;
mod details;
mod dialer;
mod discovery;
mod endpoint;
mod events;
mod exec;
mod failure;
mod frames;
mod image;
mod image_details;
mod image_removal;
mod image_transfer;
mod in_memory;
mod list;
mod logs;
mod network;
mod reach;
mod runs;
mod test_host;
mod timestamp;
mod volume;
mod wording;

#[cfg(feature = "unstable-bollard")]
pub(crate) use bollard::Docker;
pub use build::{BuildEvent, BuildStep};
pub(crate) use client::Client;
pub use client::{ApiVersion, EngineKind};
#[cfg(not(feature = "unstable-bollard"))]
pub(crate) use container::CreateBody;
#[cfg(feature = "unstable-bollard")]
pub use container::CreateBody;
pub use details::{ContainerDetails, ContainerState, Health, NetworkEndpoint};
pub use endpoint::Endpoint;
pub use exec::ExecOutput;
pub use frames::{LogFrame, LogStream};
pub use image::{ImageSummary, PullEvent};
pub use image_details::{ImageDetails, ImageLayer};
pub(crate) use list::Labelled;
pub use list::{ContainerSummary, Containers};
pub use network::{NetworkSummary, Networks};
pub use volume::{VolumeSummary, Volumes};

pub(crate) use build::{
    Agent, BuildOutput, BuildRequest, Built, CAPABILITY, CacheEntry, Content, NamedContext,
    OnEvent, Sink, StepImage, Tree, TreeContext, TreeEntry, Ulimit,
};
pub(crate) use chunks::ChunkReader;
pub(crate) use container::{lower, may_restart};
pub(crate) use discovery::discover;
pub(crate) use events::HealthEvent;
pub(crate) use exec::OUTPUT_LIMIT;
pub(crate) use exec::{ExecRequest, ExecSession};
pub(crate) use frames::Seen;
#[cfg(test)]
pub(crate) use frames::test_frame;
pub(crate) use in_memory::{InMemory, Way, mounts_of};
pub(crate) use logs::{FrameStream, LogRequest};
pub(crate) use network::BridgeAddress;
pub(crate) use wording::{Meaning, says};

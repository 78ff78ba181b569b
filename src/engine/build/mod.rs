//! Builds: by BuildKit over a session of our own, or by the classic builder.

mod classic;
mod event;
mod prose;
mod request;
mod tree;

#[cfg(feature = "buildkit")]
mod buildkit;

pub use event::{BuildEvent, BuildStep};

pub(crate) use event::OnEvent;
pub(crate) use prose::StepImage;
pub(crate) use request::{
    Agent, BuildOutput, BuildRequest, Built, CacheEntry, NamedContext, Sink, TreeContext, Ulimit,
};
pub(crate) use tree::{CAPABILITY, Content, Tree, TreeEntry};

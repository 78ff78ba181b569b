//! [`BuildEvent`]: what a build tells while it runs.

use std::sync::Arc;
use std::time::SystemTime;

use super::super::LogStream;

/// Something that happened in a build.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildEvent {
    /// A step began, ended, or was found in the cache.
    Step(BuildStep),
    /// Output of a step's command.
    Log {
        /// The step's id.
        step: String,
        /// Where it was written to.
        stream: LogStream,
        /// What was written; a piece of one line or several lines.
        text: String,
    },
    /// How far a part of a step has got, such as a layer that is loaded or a context that is sent.
    Progress {
        /// The step's id.
        step: String,
        /// The part.
        part: String,
        /// Bytes done, or another count where the engine has one.
        current: u64,
        /// All of it, where that is known.
        total: Option<u64>,
    },
    /// The builder's own advice on the Dockerfile.
    Warning {
        /// The step's id.
        step: String,
        /// The advice.
        message: String,
        /// Where there is more about it.
        url: Option<String>,
    },
}

/// A step of a build: an instruction, or work of the builder's own such as loading the context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildStep {
    /// What tells it from others.
    pub id: String,
    /// Its name as the builder writes it, such as `[builder 3/5] RUN go build`.
    pub name: String,
    /// The steps that it builds on, by their ids.
    pub inputs: Vec<String>,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub completed: Option<SystemTime>,
    /// Whether the cache had its outcome.
    pub cached: bool,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Listeners.
pub(crate) type OnEvent = Arc<dyn Fn(BuildEvent) + Send + Sync>;

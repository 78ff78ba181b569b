//! [`BuildEvent`]: the progress of a build.

use std::sync::Arc;
use std::time::SystemTime;

use super::super::LogStream;

/// An event of a build.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildEvent {
    /// A step began, ended, or was found in the cache.
    Step(BuildStep),
    /// Output of a step's command.
    Log {
        /// The step's id.
        step: String,
        /// The stream that it was written to.
        stream: LogStream,
        /// The text: a part of one line, or several lines.
        text: String,
    },
    /// Progress of a part of a step, such as the download of a layer or the upload of a context.
    Progress {
        /// The step's id.
        step: String,
        /// The part.
        part: String,
        /// The bytes done, or another count that the engine reports.
        current: u64,
        /// The total, if it is known.
        total: Option<u64>,
    },
    /// The builder's own advice on the Dockerfile.
    Warning {
        /// The step's id.
        step: String,
        /// The advice.
        message: String,
        /// A link to details.
        url: Option<String>,
    },
}

/// A step of a build: an instruction, or work of the builder's own such as loading the context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildStep {
    /// Its id, unique within the build.
    pub id: String,
    /// Its name as the builder writes it, such as `[builder 3/5] RUN go build`.
    pub name: String,
    /// The ids of the steps that it builds on.
    pub inputs: Vec<String>,
    /// The time of its start.
    pub started: Option<SystemTime>,
    /// The time of its end.
    pub completed: Option<SystemTime>,
    /// Whether its result came from the cache.
    pub cached: bool,
    /// The reason if it failed.
    pub error: Option<String>,
}

/// Listeners.
pub(crate) type OnEvent = Arc<dyn Fn(BuildEvent) + Send + Sync>;

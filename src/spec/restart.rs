//! [`RestartPolicy`]: the engine's reaction to the end of a container's process.

use serde::Serialize;

/// The condition for restarts by the engine (Engine API v1.41, `HostConfig.RestartPolicy`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum RestartPolicy {
    /// No restart, the default.
    #[default]
    No,
    /// Restart whenever it ends, and when the engine itself starts.
    Always,
    /// Like `Always`, but not after it was stopped on request.
    UnlessStopped,
    /// Restart if it ends with an exit code other than 0.
    OnFailure {
        /// Limit for restarts; `None` means no limit.
        max_retries: Option<u32>,
    },
}

impl RestartPolicy {
    /// Returns the engine's name: `no`, `always`, `unless-stopped` or `on-failure`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
            RestartPolicy::OnFailure { .. } => "on-failure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(RestartPolicy::default().as_str(), "no");
        assert_eq!(RestartPolicy::OnFailure { max_retries: Some(3) }.as_str(), "on-failure");
    }
}

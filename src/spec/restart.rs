//! [`RestartPolicy`]: what the engine does when a container's process ends.

use serde::Serialize;

/// When the engine starts a container again (Engine API v1.41, `HostConfig.RestartPolicy`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum RestartPolicy {
    /// Never, the default.
    #[default]
    No,
    /// Whenever it ends, and when the engine itself starts.
    Always,
    /// As `Always`, but not once it was stopped on request.
    UnlessStopped,
    /// When it ends with another exit code than 0.
    OnFailure {
        /// How often at most; `None` is without limit.
        max_retries: Option<u32>,
    },
}

impl RestartPolicy {
    /// The engine's name: `no`, `always`, `unless-stopped` or `on-failure`.
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

//! [`RestartPolicy`]: the engine's reaction to the end of a container's process.

use std::fmt;
use std::str::FromStr;

use super::as_text;
use crate::error::{Error, Result};

/// The condition for restarts by the engine (Engine API v1.41, `HostConfig.RestartPolicy`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// The form of `docker run --restart`: as [`as_str`](RestartPolicy::as_str), with the number of retries
/// after a colon where there is one, `on-failure:3`.
impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartPolicy::OnFailure { max_retries: Some(most) } => write!(f, "on-failure:{most}"),
            other => f.pad(other.as_str()),
        }
    }
}

/// Reads what `docker run --restart` takes.
impl FromStr for RestartPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<RestartPolicy> {
        let refused = || {
            let expected = "none of no, always, unless-stopped, on-failure, on-failure:3";
            Error::invalid("restart policy", format!("{text:?} is {expected}"))
        };
        match text {
            "no" => Ok(RestartPolicy::No),
            "always" => Ok(RestartPolicy::Always),
            "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
            "on-failure" => Ok(RestartPolicy::OnFailure { max_retries: None }),
            _ => {
                let most = text.strip_prefix("on-failure:").ok_or_else(refused)?;
                let most = most.parse().map_err(|_| refused())?;
                Ok(RestartPolicy::OnFailure { max_retries: Some(most) })
            }
        }
    }
}

as_text!(RestartPolicy);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(RestartPolicy::default().as_str(), "no");
        assert_eq!(RestartPolicy::OnFailure { max_retries: Some(3) }.as_str(), "on-failure");
    }
}

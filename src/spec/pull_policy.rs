//! [`PullPolicy`]: the condition for pulling an image.

use std::fmt;
use std::str::FromStr;

use super::as_text;
use crate::error::{Error, Result};

/// The condition for pulling an image before a container is created from it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Pull if the engine does not have the image; the default.
    #[default]
    Missing,
    /// Pull once in every process, so that a moved tag is noticed.
    Always,
    /// Never pull: an image that the engine does not have is an error.
    Never,
}

impl PullPolicy {
    /// The name that `docker run --pull` has for it: `missing`, `always` or `never`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Missing => "missing",
            PullPolicy::Always => "always",
            PullPolicy::Never => "never",
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads `missing`, `always` or `never`.
impl FromStr for PullPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<PullPolicy> {
        [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| {
                let problem = format!("{text:?} is none of missing, always, never");
                Error::invalid("pull policy", problem)
            })
    }
}

as_text!(PullPolicy);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_present_image_is_used() {
        assert_eq!(PullPolicy::default(), PullPolicy::Missing);
    }
}

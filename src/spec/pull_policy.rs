//! [`PullPolicy`]: when an image is fetched from its registry.

use serde::Serialize;

/// When to pull an image before a container is created from it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum PullPolicy {
    /// When the engine does not have it, the default.
    #[default]
    Missing,
    /// Once in every process, so that a moved tag is noticed.
    Always,
    /// Never: an image that the engine does not have is an error.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_present_image_is_used() {
        assert_eq!(PullPolicy::default(), PullPolicy::Missing);
    }
}

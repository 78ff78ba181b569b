//! [`PullPolicy`]: the condition for pulling an image.

use serde::Serialize;

/// The condition for pulling an image before a container is created from it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum PullPolicy {
    /// Pull if the engine does not have the image; the default.
    #[default]
    Missing,
    /// Pull once in every process, so that a moved tag is noticed.
    Always,
    /// Never pull: an image that the engine does not have is an error.
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

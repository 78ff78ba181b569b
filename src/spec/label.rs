//! The labels that castoff puts on its resources, and by which it recognizes them.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The prefix of castoff's labels; no other labels may have it.
pub const PREFIX: &str = "castoff.";
/// The session that created the resource.
pub const SESSION: &str = "castoff.session";
/// The process that created the resource: place of its state directory, process id, start time, and
/// a random token.
pub const OWNER: &str = "castoff.owner";
/// The time of creation, in seconds since 1970.
pub const CREATED: &str = "castoff.created";
/// The version of castoff that created it.
pub const VERSION: &str = "castoff.version";
/// The name of the resource, unique to it.
pub const RESOURCE: &str = "castoff.resource";
/// The identity of a shared resource, in place of an owner: a hash of its spec, and an id of its
/// own.
pub const SHARED: &str = "castoff.shared";
/// The value of [`OWNER`] on a resource that is kept from the start (`CASTOFF_KEEP=always`), in
/// place of that label.
pub const KEPT: &str = "castoff.kept";
/// The id of the engine's container that the program ran in, if any.
pub const HOST: &str = "castoff.host";
/// The kind and id of a kept resource, on an empty volume that records it.
pub const KEEPS: &str = "castoff.keeps";
/// The user's own name of an image that was created under one.
pub const NAME: &str = "castoff.name";
/// The program that created it, for humans.
pub const PROGRAM: &str = "castoff.program";
/// The prefix of the labels of images. Containers inherit the labels of their image, including
/// containers that others start, which must not look like castoff's own.
pub const IMAGE_PREFIX: &str = "castoff.image.";
/// [`SESSION`], on images.
pub const IMAGE_SESSION: &str = "castoff.image.session";

/// A hash of the build's inputs, on images that were built under a name.
pub const IMAGE_BUILD: &str = "castoff.image.build";

/// Returns the form of one of castoff's labels for images.
pub(crate) fn on_image(label: &str) -> String {
    format!("{IMAGE_PREFIX}{}", label.strip_prefix(PREFIX).unwrap_or(label))
}

/// Checks labels that a user set.
///
/// # Errors
///
/// Names the field `labels` and the key when it is empty or starts with [`PREFIX`].
pub fn validate_user_labels(labels: &BTreeMap<String, String>) -> Result<()> {
    for key in labels.keys() {
        if key.trim().is_empty() {
            return Err(Error::invalid("labels", format!("key {key:?} is empty")));
        }
        if key.starts_with(PREFIX) {
            let problem = format!("key {key:?} starts with {PREFIX:?}, which is castoff's own");
            return Err(Error::invalid("labels", problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_labels_share_the_prefix() {
        for label in [SESSION, OWNER, CREATED, VERSION, RESOURCE, SHARED, KEPT, PROGRAM] {
            assert!(label.starts_with(PREFIX));
            assert!(on_image(label).starts_with(IMAGE_PREFIX));
        }
        assert_eq!(on_image(SESSION), IMAGE_SESSION);
    }

    #[test]
    fn users_have_every_other_key() {
        let with = |key: &str| BTreeMap::from([(key.to_owned(), String::new())]);
        validate_user_labels(&with("com.example.castoff")).unwrap();
        validate_user_labels(&with("castoffs")).unwrap();
        for key in ["", " ", "castoff.", SESSION] {
            let error = validate_user_labels(&with(key)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid labels: key {key:?}")), "{error}");
        }
    }
}

//! The labels that castoff puts on what it creates, by which it later knows its own.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// What castoff's labels start with; nobody else's may.
pub const PREFIX: &str = "castoff.";
/// The session that created the resource.
pub const SESSION: &str = "castoff.session";
/// The process that created it: host id, process id and start time.
pub const OWNER: &str = "castoff.owner";
/// When it was created.
pub const CREATED: &str = "castoff.created";
/// The version of castoff that created it.
pub const VERSION: &str = "castoff.version";
/// What kind of resource it is.
pub const RESOURCE: &str = "castoff.resource";
/// The spec's hash, on shared containers.
pub const SHARED: &str = "castoff.shared";

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
        for label in [SESSION, OWNER, CREATED, VERSION, RESOURCE, SHARED] {
            assert!(label.starts_with(PREFIX));
        }
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

//! [`Name`]: the name of an image within one registry.

use std::fmt;

use crate::error::{Error, Result};
use crate::spec::ImageRef;

/// The name of Docker Hub, and its synonyms.
pub(super) const HUB: &str = "docker.io";
pub(super) const HUB_NAMES: [&str; 3] = [HUB, "index.docker.io", "registry-1.docker.io"];

/// A repository with a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Name {
    /// Reads `team/app`, `team/app:1.2` or `team/app@sha256:…`, with or without the registry before
    /// it. Without a tag and a digest, the tag is `latest`.
    pub(super) fn parse(registry: &str, text: &str) -> Result<Name> {
        let hub = registry == HUB;
        let own = text.strip_prefix(registry).and_then(|rest| rest.strip_prefix('/'));
        let bare = match own {
            Some(rest) => rest,
            None => {
                let whole = ImageRef::parse(text)?;
                let says_hub =
                    text.starts_with("docker.io/") || text.starts_with("index.docker.io/");
                if whole.is_id() {
                    return Err(refused(text, "an image id has no repository"));
                }
                if whole.registry() != HUB || (says_hub && !hub) {
                    return Err(refused(text, &format!("this is the registry {registry}"))
                        .with_hint("leave the registry out, or ask the one that is meant"));
                }
                text.strip_prefix("docker.io/")
                    .or_else(|| text.strip_prefix("index.docker.io/"))
                    .unwrap_or(text)
            }
        };
        // The registry only matters for Docker Hub's `library/`.
        let image = ImageRef::parse(&format!("{}/{bare}", if hub { HUB } else { "other.invalid" }))
            .map_err(|error| refused(text, "it names no image").with_source(error))?;
        Ok(Name {
            registry: registry.to_owned(),
            repository: image.repository().to_owned(),
            tag: image.tag().map(str::to_owned),
            digest: image.digest().map(str::to_owned),
        })
    }

    /// Reads a repository without tag and digest.
    pub(super) fn repository(registry: &str, text: &str) -> Result<Name> {
        let last = text.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) {
            return Err(refused(text, "a repository is wanted, without tag and digest"));
        }
        Ok(Name { tag: None, ..Name::parse(registry, text)? })
    }

    /// Returns the reference of the manifest: the digest if there is one, else the tag.
    pub(super) fn reference(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// Returns the name of the manifest with this digest in the same repository.
    pub(super) fn at(&self, digest: &str) -> Name {
        Name { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// Returns the name without the registry: `team/app:1.2`.
    pub(super) fn short(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{tag}{digest}", self.repository)
    }
}

/// The name with the registry: `ghcr.io/team/app:1.2`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.short())
    }
}

fn refused(text: &str, problem: &str) -> Error {
    Error::invalid("image", format!("{text:?}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_within_a_registry() {
        for (registry, text, full) in [
            ("docker.io", "redis", "docker.io/library/redis:latest"),
            ("docker.io", "docker.io/redis:7", "docker.io/library/redis:7"),
            ("ghcr.io", "team/app", "ghcr.io/team/app:latest"),
            ("ghcr.io", "app:1", "ghcr.io/app:1"),
            ("ghcr.io", "ghcr.io/team/app:1", "ghcr.io/team/app:1"),
            ("registry", "app:1", "registry/app:1"),
            ("127.0.0.1:5000", "127.0.0.1:5000/app:1", "127.0.0.1:5000/app:1"),
            ("ghcr.io", "ghcr.io/my.team/app:1", "ghcr.io/my.team/app:1"),
        ] {
            assert_eq!(Name::parse(registry, text).unwrap().to_string(), full);
        }
        let name = Name::parse("ghcr.io", &format!("team/app:1@sha256:{HEX}")).unwrap();
        assert_eq!(name.reference(), format!("sha256:{HEX}"));
        assert_eq!(name.at("sha256:1").short(), "team/app@sha256:1");
    }

    #[test]
    fn refuses_what_is_not_there() {
        for text in ["", "A/b", "ghcr.io/a/b", "docker.io/a/b", "a:b:c", HEX, "a/../b", "x/a?b"] {
            let error = Name::parse("quay.io", text).unwrap_err();
            assert!(error.to_string().starts_with("invalid image: "), "{error}");
        }
        assert!(Name::repository("quay.io", "team/app:1").is_err());
        assert!(Name::repository("quay.io", &format!("app@sha256:{HEX}")).is_err());
        assert_eq!(Name::repository("quay.io", "quay.io/a/b").unwrap().short(), "a/b");
    }
}

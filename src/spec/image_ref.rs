//! [`ImageRef`]: the name of an image, normalized as the docker CLI does.

use std::fmt;
use std::str::FromStr;

use super::as_text;
use super::image_grammar as grammar;
use crate::error::{Error, Result};

const DEFAULT_REGISTRY: &str = "docker.io";
const LEGACY_REGISTRY: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const LATEST: &str = "latest";
const MAX_NAME: usize = 255;
const BAD_TAG: &str = "the tag must be 1 to 128 of A-Z a-z 0-9 _ . - and not start with . or -";

/// The name of an image, such as `redis:7` or `ghcr.io/acme/api@sha256:…`, in normal form.
///
/// The rules are those of the docker CLI (the `distribution/reference` grammar): without a registry
/// the image is Docker Hub's (`docker.io`), a single component there lies below `library/`, and
/// without tag and digest the tag is `latest`. Two spellings of one image are therefore equal:
///
/// ```
/// use castoff::spec::ImageRef;
///
/// let short = ImageRef::parse("redis")?;
/// assert_eq!(short, ImageRef::parse("index.docker.io/library/redis:latest")?);
/// assert_eq!(short.to_string(), "docker.io/library/redis:latest");
/// assert_eq!(short.familiar(), "redis:latest");
/// # Ok::<(), castoff::Error>(())
/// ```
///
/// An image id (`sha256:<64 hex>`, the 64 digits alone, or the first 12 of them) is accepted too
/// and kept unchanged; it has no registry, repository, tag or digest. An image whose name is 12 hex
/// digits needs its tag: `202611271200:latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
    id: Option<String>,
}

impl ImageRef {
    /// Parses a reference in any form that the docker CLI accepts.
    ///
    /// # Errors
    ///
    /// Names the field `image` and the text if it is empty, has an upper-case repository, a
    /// malformed registry, tag or digest, or a name above 255 bytes.
    pub fn parse(text: &str) -> Result<ImageRef> {
        if grammar::is_image_id(text) {
            return Ok(ImageRef::from_id(text));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon after the last slash starts the tag; an earlier one belongs to the registry.
        let (name, tag) = match rest.rfind(':') {
            Some(colon) if !rest[colon..].contains('/') => {
                (&rest[..colon], Some(&rest[colon + 1..]))
            }
            _ => (rest, None),
        };
        let (registry, repository) = split_registry(name);
        check(text, &registry, &repository, tag, digest)?;
        let tag = tag.or(if digest.is_none() { Some(LATEST) } else { None });
        Ok(ImageRef {
            registry,
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            id: None,
        })
    }

    fn from_id(id: &str) -> ImageRef {
        ImageRef {
            registry: String::new(),
            repository: String::new(),
            tag: None,
            digest: None,
            id: Some(id.to_owned()),
        }
    }

    /// Returns the registry's host and port, `docker.io` by default; empty for an image id.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path within the registry, such as `library/redis`; empty for an image id.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag; `None` for an image id, and for a reference that has only a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest with its algorithm (`sha256:…`); `None` for an image id.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Returns whether this is an image id, which can be run but not pulled.
    #[must_use]
    pub fn is_id(&self) -> bool {
        self.id.is_some()
    }

    /// Returns the tag, or `latest` if there is none.
    #[must_use]
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or(LATEST)
    }

    /// Returns the form that the docker CLI shows: `redis:7` for `docker.io/library/redis:7`.
    ///
    /// Parsing it gives this reference again. The few Docker Hub names whose short form would mean
    /// another image (`docker.io/localhost/x`) therefore stay in full.
    #[must_use]
    pub fn familiar(&self) -> String {
        if self.id.is_some() || self.registry != DEFAULT_REGISTRY {
            return self.to_string();
        }
        let short = format!("{}{}", self.short_name(), self.suffix());
        let same = ImageRef::parse(&short).is_ok_and(|parsed| parsed == *self);
        if same { short } else { self.to_string() }
    }

    /// Returns the same repository with another tag. A digest is dropped, as it would override the
    /// tag.
    ///
    /// # Errors
    ///
    /// Refuses a malformed tag, and any tag on an image id.
    pub fn with_tag(&self, tag: &str) -> Result<ImageRef> {
        if let Some(id) = &self.id {
            return Err(refused(id, &format!("an image id takes no tag ({tag:?})")));
        }
        if !grammar::is_tag(tag) {
            return Err(refused(tag, BAD_TAG));
        }
        ImageRef::parse(&format!("{}/{}:{tag}", self.registry, self.repository))
    }

    /// Returns the image's name in a mirror of Docker Hub, as testcontainers'
    /// `hub.image.name.prefix` does.
    ///
    /// The prefix is put before the short name: with `mirror.example.com/hub` (a trailing slash
    /// makes no difference), `redis:7` becomes `mirror.example.com/hub/redis:7` and `acme/api:1`
    /// becomes `mirror.example.com/hub/acme/api:1`. As in testcontainers, official images get no
    /// `library/`. Images of other registries, image ids, and an empty prefix leave the reference
    /// unchanged. Unlike in testcontainers, an explicit `docker.io/` counts as Docker Hub too.
    ///
    /// # Errors
    ///
    /// Refuses a prefix that does not result in a valid reference.
    pub fn with_prefix(&self, prefix: &str) -> Result<ImageRef> {
        let prefix = prefix.trim_end_matches('/');
        if prefix.is_empty() || self.registry != DEFAULT_REGISTRY {
            return Ok(self.clone());
        }
        ImageRef::parse(&format!("{prefix}/{}{}", self.short_name(), self.suffix()))
    }

    /// Returns the repository without Docker Hub's `library/`.
    fn short_name(&self) -> &str {
        match self.repository.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name,
            _ => &self.repository,
        }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.iter().flat_map(|tag| [":", tag.as_str()]);
        let digest = self.digest.iter().flat_map(|digest| ["@", digest.as_str()]);
        tag.chain(digest).collect()
    }
}

/// Splits off the registry by Docker's rule: it is the first of several components if that has a
/// dot, a colon or an upper-case letter, or is `localhost`.
fn split_registry(name: &str) -> (String, String) {
    let (registry, path) = match name.split_once('/') {
        Some((LEGACY_REGISTRY, path)) => (DEFAULT_REGISTRY, path),
        Some((first, path))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(char::is_uppercase) =>
        {
            (first, path)
        }
        _ => (DEFAULT_REGISTRY, name),
    };
    let official = registry == DEFAULT_REGISTRY && !path.contains('/');
    let repository = if official { format!("{OFFICIAL}{path}") } else { path.to_owned() };
    (registry.to_owned(), repository)
}

fn check(
    text: &str,
    registry: &str,
    repository: &str,
    tag: Option<&str>,
    digest: Option<&str>,
) -> Result<()> {
    let fail = |problem: &str| Err(refused(text, problem));
    if text.is_empty() {
        return fail("the reference is empty");
    }
    if !grammar::is_registry(registry) {
        return fail("the registry is not a host name with an optional port");
    }
    if repository.chars().any(char::is_uppercase) {
        return fail("the repository must be lower-case");
    }
    if !grammar::is_repository(repository) {
        return fail(
            "the repository must be letters and digits, joined by `/`, `.`, `_`, `__` or dashes",
        );
    }
    if registry.len() + 1 + repository.len() > MAX_NAME {
        return fail("the name is longer than 255 bytes");
    }
    if tag.is_some_and(|tag| !grammar::is_tag(tag)) {
        return fail(BAD_TAG);
    }
    if digest.is_some_and(|digest| !grammar::is_digest(digest)) {
        return fail("the digest must be an algorithm, a colon and hex digits (sha256: 64 digits)");
    }
    Ok(())
}

fn refused(text: &str, problem: &str) -> Error {
    Error::invalid("image", format!("{text:?}: {problem}"))
}

/// Writes the full form: `docker.io/library/redis:7`, or the image id unchanged.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => f.write_str(id),
            None => write!(f, "{}/{}{}", self.registry, self.repository, self.suffix()),
        }
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<ImageRef> {
        ImageRef::parse(text)
    }
}

as_text!(ImageRef);

/// Converts to the [familiar](ImageRef::familiar) form.
impl From<ImageRef> for String {
    fn from(image: ImageRef) -> String {
        image.familiar()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn parse(text: &str) -> ImageRef {
        ImageRef::parse(text).unwrap()
    }

    #[test]
    fn normalizes_as_docker_does() {
        for (text, full, familiar) in [
            ("redis", "docker.io/library/redis:latest", "redis:latest"),
            ("redis:7", "docker.io/library/redis:7", "redis:7"),
            ("docker.io/redis:7", "docker.io/library/redis:7", "redis:7"),
            ("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("acme/api:1", "docker.io/acme/api:1", "acme/api:1"),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
            ("[::1]:5000/x:1", "[::1]:5000/x:1", "[::1]:5000/x:1"),
            ("Acme/x", "Acme/x:latest", "Acme/x:latest"),
            ("ghcr.io/a/b/c__d-e:V1", "ghcr.io/a/b/c__d-e:V1", "ghcr.io/a/b/c__d-e:V1"),
            (
                "docker.io/localhost/x",
                "docker.io/localhost/x:latest",
                "docker.io/localhost/x:latest",
            ),
        ] {
            let image = parse(text);
            assert_eq!((image.to_string().as_str(), image.familiar().as_str()), (full, familiar));
        }
    }

    #[test]
    fn digests_and_ids() {
        let image = parse(&format!("redis@sha256:{HEX}"));
        assert_eq!((image.tag(), image.tag_or_latest()), (None, "latest"));
        assert_eq!(image.digest(), Some(format!("sha256:{HEX}").as_str()));
        assert_eq!(image.familiar(), format!("redis@sha256:{HEX}"));
        assert_eq!(image.with_tag("8").unwrap().familiar(), "redis:8");
        assert!(image.with_tag(&format!("8@sha256:{HEX}")).is_err() && image.with_tag("").is_err());
        assert_eq!(parse(&format!("redis:7@sha256:{HEX}")).tag(), Some("7"));

        let short = &HEX[..12];
        for id in [HEX, short].iter().flat_map(|id| [(*id).to_owned(), format!("sha256:{id}")]) {
            let image = parse(&id);
            assert!(image.is_id());
            assert_eq!((image.to_string(), image.familiar()), (id.clone(), id));
            assert!(image.with_tag("1").is_err());
            assert_eq!(image.with_prefix("m.example.com").unwrap(), image);
        }
        assert!(!parse(&format!("{short}:latest")).is_id() && !parse(&HEX[..13]).is_id());
        let named = parse(&format!("docker.io/library/{short}"));
        assert_eq!(parse(&named.familiar()), named);
        let lookalike = parse(&format!("docker.io/library/sha256:{HEX}"));
        assert!(!lookalike.is_id());
        assert_eq!(parse(&lookalike.familiar()), lookalike);
    }

    #[test]
    fn refuses_what_docker_refuses_and_names_it() {
        let long = format!("a/{}", "b".repeat(255));
        let short_digest = format!("a@sha256:{}", &HEX[1..]);
        let upper_digest = format!("a@sha256:{}", HEX.to_uppercase());
        let words = "Redis redis: redis:.x a//b /a a/ -a a- a___b a..b a._b a:b/c x.io/ x.io:port/a \
                     x..io/a a@ a@sha256:12 a:b:c ré https://x.io/a";
        let others = ["", " ", "a b", "redis:7\0", &long, &short_digest, &upper_digest];
        for text in words.split(' ').chain(others) {
            let error = ImageRef::parse(text).expect_err(text).to_string();
            assert!(error.starts_with("invalid image: "), "{error}");
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
        let tag = |length| format!("a:{}", "t".repeat(length));
        assert!(ImageRef::parse(&tag(128)).is_ok() && ImageRef::parse(&tag(129)).is_err());
    }

    #[test]
    fn prefix_is_for_docker_hub_alone() {
        for (text, full) in [
            ("redis:7", "mirror.example.com/hub/redis:7"),
            ("acme/api:1", "mirror.example.com/hub/acme/api:1"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ] {
            for prefix in ["mirror.example.com/hub", "mirror.example.com/hub/"] {
                assert_eq!(parse(text).with_prefix(prefix).unwrap().to_string(), full);
            }
        }
        assert_eq!(parse("redis:7").with_prefix("").unwrap(), parse("redis:7"));
        assert!(parse("redis:7").with_prefix("bad prefix").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}|[a-zA-Z0-9:/@._-]{0,80}") {
            if let Ok(image) = ImageRef::parse(&text) {
                prop_assert_eq!(&ImageRef::parse(&image.to_string()).unwrap(), &image);
                prop_assert_eq!(&ImageRef::parse(&image.familiar()).unwrap(), &image);
            }
        }

        #[test]
        fn both_forms_round_trip(
            registry in "((docker\\.io|index\\.docker\\.io|localhost|LOCAL|a\\.b:[0-9]{1,5})/)?",
            path in "(library/|localhost/|a\\.b/)?[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}",
            tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?",
            digest in "(@sha256:[a-f0-9]{64})?",
        ) {
            let image = parse(&format!("{registry}{path}{tag}{digest}"));
            prop_assert_eq!(&parse(&image.to_string()), &image);
            prop_assert_eq!(&parse(&image.familiar()), &image);
            prop_assert_eq!(&parse(&String::from(image.clone())), &image);
        }
    }
}

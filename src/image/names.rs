//! Rewrites image names: substitutes, then the registry prefix.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::spec::ImageRef;

/// The name of an image as the caller gave it, and as the engine gets it.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) asked: String,
    pub(crate) used: ImageRef,
}

/// Applies `CASTOFF_IMAGE_SUBSTITUTES` or, if none matches, `CASTOFF_IMAGE_PREFIX`.
///
/// A substitute matches the whole reference, so one for `redis:7` does not apply to `redis:7.2`.
pub(crate) fn resolve(config: &Config, asked: &str, image: ImageRef) -> Result<Names> {
    let substitute = config
        .image_substitutes
        .iter()
        .find(|(from, _)| from.parse::<ImageRef>().is_ok_and(|from| from == image));
    let used = match (substitute, &config.image_prefix) {
        (Some((from, to)), _) => to.parse().map_err(|error: Error| {
            let message = format!("`{from}={to}`: {error}");
            Error::invalid("CASTOFF_IMAGE_SUBSTITUTES", message)
        })?,
        (None, Some(prefix)) if !image.is_id() => image.with_prefix(prefix)?,
        _ => image,
    };
    Ok(Names { asked: asked.to_owned(), used })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(config: &Config, image: &str) -> String {
        resolve(config, image, image.parse().unwrap()).unwrap().used.familiar()
    }

    #[test]
    fn a_substitute_wins_over_the_prefix() {
        let config = Config {
            image_prefix: Some("mirror.example.com/hub".into()),
            image_substitutes: [("docker.io/library/redis:7".into(), "my/redis:1".into())].into(),
            ..Config::default()
        };
        assert_eq!(used(&config, "redis:7"), "my/redis:1");
        assert_eq!(used(&config, "redis:7.2"), "mirror.example.com/hub/redis:7.2");
        assert_eq!(used(&config, "quay.io/x/y:1"), "quay.io/x/y:1");
        assert_eq!(used(&Config::default(), "redis"), "redis:latest");
    }

    #[test]
    fn a_substitute_that_is_no_image_names_the_setting() {
        let config =
            Config { image_substitutes: [("a".into(), "B B".into())].into(), ..Config::default() };
        let error = resolve(&config, "a", "a".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("CASTOFF_IMAGE_SUBSTITUTES"), "{error}");
    }
}

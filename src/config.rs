//! [`Config`]: what the environment and properties files say, read once and injectable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings from the environment and from `~/.testcontainers.properties`.
///
/// Environment variables win over properties, castoff's own names over those of the
/// testcontainers family. An empty value counts as not set.
///
/// | field | variables, in this order |
/// | --- | --- |
/// | `engine` | `CASTOFF_ENGINE` |
/// | `docker_host` | `DOCKER_HOST`, properties `docker.host`, `tc.host` |
/// | `docker_context` | `DOCKER_CONTEXT` |
/// | `docker_config` | `DOCKER_CONFIG`, else `~/.docker` |
/// | `auth_config` | `DOCKER_AUTH_CONFIG` |
/// | `host` | `CASTOFF_HOST`, `TESTCONTAINERS_HOST_OVERRIDE` |
/// | `image_prefix` | `CASTOFF_IMAGE_PREFIX`, `TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX`, property `hub.image.name.prefix` |
/// | `image_substitutes` | `CASTOFF_IMAGE_SUBSTITUTES`: `from=to` pairs with commas between |
/// | `reaper` | `CASTOFF_REAPER=off`, `TESTCONTAINERS_RYUK_DISABLED=true`, property `ryuk.disabled` |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Endpoint of the engine, ahead of everything else.
    pub engine: Option<String>,
    /// Docker's own endpoint setting.
    pub docker_host: Option<String>,
    /// Name of a docker context.
    pub docker_context: Option<String>,
    /// Docker's configuration directory.
    pub docker_config: Option<PathBuf>,
    /// Registry credentials in the form of docker's `config.json`.
    pub auth_config: Option<String>,
    /// Host name or IP under which published ports are reached.
    pub host: Option<String>,
    /// Registry prefix for images of Docker Hub.
    pub image_prefix: Option<String>,
    /// Images to use instead of others, by familiar name.
    pub image_substitutes: BTreeMap<String, String>,
    /// Whether leftovers are removed when the process is gone; on by default.
    pub reaper: bool,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's runtime directory, `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// Whether docker's TLS settings are on (`DOCKER_TLS_VERIFY` set and not `0`).
    pub docker_tls: bool,
}

impl Config {
    /// Reads the process's environment and the user's properties file.
    ///
    /// A properties file that can't be read counts as absent.
    #[must_use]
    pub fn from_env() -> Self {
        let properties = std::env::var_os("HOME")
            .map(|home| Path::new(&home).join(".testcontainers.properties"))
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self::read(|name| std::env::var(name).ok(), &properties)
    }

    /// Reads settings from a lookup function and the text of a properties file.
    #[must_use]
    pub fn read(variable: impl Fn(&str) -> Option<String>, properties: &str) -> Self {
        let var = |name: &str| variable(name).filter(|value| !value.is_empty());
        let properties = parse_properties(properties);
        let property = |name: &str| properties.get(name).cloned().filter(|v| !v.is_empty());
        let home = var("HOME").map(PathBuf::from);
        let truthy = |value: Option<String>| {
            value.is_some_and(|v| matches!(v.to_ascii_lowercase().as_str(), "1" | "true" | "yes"))
        };
        Config {
            engine: var("CASTOFF_ENGINE"),
            docker_host: var("DOCKER_HOST")
                .or_else(|| property("docker.host"))
                .or_else(|| property("tc.host")),
            docker_context: var("DOCKER_CONTEXT"),
            docker_config: var("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(".docker"))),
            auth_config: var("DOCKER_AUTH_CONFIG"),
            host: var("CASTOFF_HOST").or_else(|| var("TESTCONTAINERS_HOST_OVERRIDE")),
            image_prefix: var("CASTOFF_IMAGE_PREFIX")
                .or_else(|| var("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"))
                .or_else(|| property("hub.image.name.prefix")),
            image_substitutes: var("CASTOFF_IMAGE_SUBSTITUTES")
                .map(|pairs| parse_pairs(&pairs))
                .unwrap_or_default(),
            reaper: !(var("CASTOFF_REAPER").is_some_and(|v| v.eq_ignore_ascii_case("off"))
                || truthy(var("TESTCONTAINERS_RYUK_DISABLED"))
                || truthy(property("ryuk.disabled"))),
            home,
            runtime_dir: var("XDG_RUNTIME_DIR").map(PathBuf::from),
            docker_tls: var("DOCKER_TLS_VERIFY").is_some_and(|v| v != "0"),
        }
    }
}

/// `key=value` lines; `#` and `!` begin comments (the subset of Java's format that is in use).
fn parse_properties(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().replace("\\:", ":")))
        .collect()
}

fn parse_pairs(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)], properties: &str) -> Config {
        let vars: BTreeMap<_, _> = vars.iter().copied().collect();
        Config::read(|name| vars.get(name).map(|v| (*v).to_owned()), properties)
    }

    #[test]
    fn nothing_set_means_the_reaper_is_on_and_nothing_else() {
        assert_eq!(read(&[], ""), Config { reaper: true, ..Config::default() });
    }

    #[test]
    fn own_names_win_over_the_familys_and_variables_over_properties() {
        let config = read(
            &[
                ("HOME", "/home/u"),
                ("CASTOFF_HOST", "a"),
                ("TESTCONTAINERS_HOST_OVERRIDE", "b"),
                ("DOCKER_HOST", ""),
                ("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "mirror/"),
                ("CASTOFF_IMAGE_SUBSTITUTES", "redis:7=my/redis, postgres:17 = my/pg"),
                ("DOCKER_TLS_VERIFY", "0"),
            ],
            "# comment\ndocker.host=unix\\:///p.sock\nhub.image.name.prefix=other\n",
        );
        assert_eq!(config.host.as_deref(), Some("a"));
        assert_eq!(config.docker_host.as_deref(), Some("unix:///p.sock"));
        assert_eq!(config.image_prefix.as_deref(), Some("mirror/"));
        assert_eq!(config.docker_config, Some(PathBuf::from("/home/u/.docker")));
        assert_eq!(config.image_substitutes["postgres:17"], "my/pg");
        assert!(!config.docker_tls);
    }

    #[test]
    fn the_reaper_goes_off_by_either_name() {
        assert!(!read(&[("CASTOFF_REAPER", "off")], "").reaper);
        assert!(!read(&[("TESTCONTAINERS_RYUK_DISABLED", "TRUE")], "").reaper);
        assert!(!read(&[], "ryuk.disabled = true").reaper);
        assert!(read(&[("CASTOFF_REAPER", "on")], "").reaper);
    }
}

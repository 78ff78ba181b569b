//! [`Config`]: the settings of the environment and of properties files, read once and injectable.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::spec::redacted::Presence;

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
/// | `keep` | `CASTOFF_KEEP`: `never`, `on-failure` or `always` |
/// | `linger` | `CASTOFF_LINGER`: `5s`, `500ms`, `2m`; a bare number is seconds |
/// | `session` | `CASTOFF_SESSION` |
/// | `state_dir` | `CASTOFF_STATE_DIR`, `XDG_STATE_HOME`: absolute paths |
///
/// [`Engine::connect`](crate::Engine::connect) fails if a value can't be read. `Debug` hides
/// `auth_config`, which holds passwords, and the user part of an endpoint.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Endpoint of the engine; wins over every other source.
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
    /// Which resources are kept for inspection instead of being removed. Default: none.
    pub keep: KeepPolicy,
    /// The time that a shared resource stays when its last user is gone. Default: 5 s.
    pub linger: Option<Duration>,
    /// The name of a session of several processes, such as those of a CI job. It is part of the
    /// names and labels of what they create, and they share resources with each other only.
    /// Default: each process is a session of its own, and shares with all the user's processes that
    /// have no session name.
    pub session: Option<String>,
    /// The directory in which the user's programs keep their state. castoff's locks are in its
    /// subdirectory `castoff`, or in `/var/tmp/castoff-UID` if this is not set. Programs in several
    /// containers of one machine that run under the same user id find each other's locks if this
    /// is a directory of that machine, mounted into each of them.
    pub state_dir: Option<PathBuf>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's runtime directory, `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// Whether docker's TLS settings are on (`DOCKER_TLS_VERIFY` set and not `0`).
    pub docker_tls: bool,
    /// The first variable that could not be read, and why.
    pub(crate) problem: Option<(&'static str, String)>,
}

/// Which resources are kept for inspection instead of being removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepPolicy {
    /// No resources.
    #[default]
    Never,
    /// Resources that are dropped during or after a panic in this process, and those that it still
    /// holds when it ends unsuccessfully.
    OnFailure,
    /// All resources.
    Always,
}

impl KeepPolicy {
    /// The name that `CASTOFF_KEEP` has for it: `never`, `on-failure` or `always`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeepPolicy::Never => "never",
            KeepPolicy::OnFailure => "on-failure",
            KeepPolicy::Always => "always",
        }
    }
}

impl fmt::Display for KeepPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads `never`, `on-failure` or `always`, in any case.
impl FromStr for KeepPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<KeepPolicy> {
        parse_keep(text).map_err(|problem| Error::invalid("keep policy", problem))
    }
}

impl Default for Config {
    /// Returns the settings of an empty environment.
    fn default() -> Self {
        Config {
            engine: None,
            docker_host: None,
            docker_context: None,
            docker_config: None,
            auth_config: None,
            host: None,
            image_prefix: None,
            image_substitutes: BTreeMap::new(),
            reaper: true,
            keep: KeepPolicy::default(),
            linger: None,
            session: None,
            state_dir: None,
            home: None,
            runtime_dir: None,
            docker_tls: false,
            problem: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured, so that a new field can't be forgotten here.
        let Config {
            engine,
            docker_host,
            docker_context,
            docker_config,
            auth_config,
            host,
            image_prefix,
            image_substitutes,
            reaper,
            keep,
            linger,
            session,
            state_dir,
            home,
            runtime_dir,
            docker_tls,
            problem,
        } = self;
        f.debug_struct("Config")
            .field("engine", &engine.as_deref().map(without_user))
            .field("docker_host", &docker_host.as_deref().map(without_user))
            .field("docker_context", docker_context)
            .field("docker_config", docker_config)
            .field("auth_config", &Presence(auth_config.is_some()))
            .field("host", host)
            .field("image_prefix", image_prefix)
            .field("image_substitutes", image_substitutes)
            .field("reaper", reaper)
            .field("keep", keep)
            .field("linger", linger)
            .field("session", session)
            .field("state_dir", state_dir)
            .field("home", home)
            .field("runtime_dir", runtime_dir)
            .field("docker_tls", docker_tls)
            .field("problem", problem)
            .finish()
    }
}

/// Returns an endpoint with its user and password masked.
fn without_user(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.to_owned() };
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match place.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => endpoint.to_owned(),
    }
}

impl Config {
    /// Returns the time that a shared resource stays when its last user is gone.
    pub(crate) fn linger(&self) -> Duration {
        self.linger.unwrap_or(Duration::from_secs(5))
    }

    /// Fails if a variable could not be parsed, or the session's name is not usable in labels and names.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some((variable, problem)) = &self.problem {
            return Err(Error::invalid(*variable, problem.clone()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        match &self.session {
            Some(name) if name.is_empty() || name.len() > 40 || !name.chars().all(plain) => {
                let problem =
                    format!("`{name}`: 1 to 40 letters, digits and any of `_.-` make a name");
                Err(Error::invalid("CASTOFF_SESSION", problem))
            }
            _ => Ok(()),
        }
    }

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
        let mut problem = None;
        let mut read = |name: &'static str, outcome: std::result::Result<(), String>| {
            if let Err(error) = outcome {
                problem.get_or_insert((name, error));
            }
        };
        let (mut keep, mut linger) = (KeepPolicy::Never, None);
        if let Some(text) = var("CASTOFF_KEEP") {
            read("CASTOFF_KEEP", parse_keep(&text).map(|value| keep = value));
        }
        if let Some(text) = var("CASTOFF_LINGER") {
            read("CASTOFF_LINGER", parse_duration(&text).map(|value| linger = Some(value)));
        }
        // The XDG specification: a relative path in XDG_STATE_HOME counts as not set.
        let xdg = var("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let own_state = var("CASTOFF_STATE_DIR").map(PathBuf::from);
        if let Some(dir) = own_state.as_ref().filter(|dir| !dir.is_absolute()) {
            let error = format!("`{}` is no absolute path", dir.display());
            read("CASTOFF_STATE_DIR", Err(error));
        }
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
            keep,
            linger,
            session: var("CASTOFF_SESSION"),
            state_dir: own_state.or(xdg),
            problem,
            home,
            runtime_dir: var("XDG_RUNTIME_DIR").map(PathBuf::from),
            docker_tls: var("DOCKER_TLS_VERIFY").is_some_and(|v| v != "0"),
        }
    }
}

fn parse_keep(text: &str) -> std::result::Result<KeepPolicy, String> {
    [KeepPolicy::Never, KeepPolicy::OnFailure, KeepPolicy::Always]
        .into_iter()
        .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("`{text}` is none of `never`, `on-failure`, `always`"))
}

/// Parses `5s`, `500ms`, `2m` or `5`.
fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: Option<u64> = number.parse().ok();
    let duration = match (number, unit.trim()) {
        (Some(n), "ms") => Some(Duration::from_millis(n)),
        (Some(n), "" | "s") => Some(Duration::from_secs(n)),
        (Some(n), "m") => n.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    // At most one day: longer makes no difference, and its milliseconds fit anywhere.
    let duration = duration.filter(|duration| *duration <= Duration::from_secs(86_400));
    duration
        .ok_or_else(|| format!("`{text}` is no duration up to a day, as in `500ms`, `5s`, `2m`"))
}

/// Parses `key=value` lines; `#` and `!` begin comments. This is the commonly used subset of Java's
/// format.
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
        assert_eq!(read(&[], ""), Config::default());
        assert!(Config::default().reaper);
    }

    #[test]
    fn a_keep_policy_reads_what_it_writes() {
        for text in ["never", "on-failure", "always"] {
            assert_eq!(text.parse::<KeepPolicy>().unwrap().to_string(), text);
        }
        let error = "sometimes".parse::<KeepPolicy>().unwrap_err().to_string();
        assert!(error.starts_with("invalid keep policy: `sometimes`"), "{error}");
    }

    #[test]
    fn debug_shows_no_password() {
        let auth = r#"{"auths":{"r.example":{"auth":"YW5uOnNlc2FtZQ=="}}}"#;
        let config = read(
            &[
                ("DOCKER_AUTH_CONFIG", auth),
                ("CASTOFF_ENGINE", "tcp://ann:sesame@engine.example:2375"),
                ("DOCKER_HOST", "ssh://bob:sesame@other.example/run/docker.sock"),
            ],
            "",
        );
        let text = format!("{config:?} {config:#?}");
        assert!(!text.contains("sesame") && !text.contains("YW5u"), "{text}");
        for shown in ["tcp://***@engine.example:2375", "***@other.example/run/docker.sock"] {
            assert!(text.contains(shown), "{text}");
        }
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
    fn what_is_kept_and_for_how_long() {
        let read = |name: &str, value: &str| read(&[(name, value)], "");
        assert_eq!(read("CASTOFF_KEEP", "On-Failure").keep, KeepPolicy::OnFailure);
        assert_eq!(read("CASTOFF_KEEP", "always").keep, KeepPolicy::Always);
        for (text, millis) in [("5s", 5_000), ("500ms", 500), ("2m", 120_000), ("0", 0)] {
            let config = read("CASTOFF_LINGER", text);
            assert_eq!(config.linger(), Duration::from_millis(millis));
            config.check().unwrap();
        }
        assert_eq!(Config::default().linger(), Duration::from_secs(5));
        for (name, value) in [
            ("CASTOFF_KEEP", "yes"),
            ("CASTOFF_LINGER", "5h"),
            ("CASTOFF_LINGER", "-1"),
            ("CASTOFF_LINGER", "2000m"),
            ("CASTOFF_LINGER", "99999999999999999999"),
            ("CASTOFF_SESSION", "a b"),
            ("CASTOFF_SESSION", &"x".repeat(41)),
        ] {
            let error = read(name, value).check().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        read("CASTOFF_SESSION", "ci-1.2_3").check().unwrap();
    }

    #[test]
    fn the_state_lies_where_castoffs_own_variable_says() {
        let both = [("CASTOFF_STATE_DIR", "/a"), ("XDG_STATE_HOME", "/b")];
        assert_eq!(read(&both, "").state_dir, Some("/a".into()));
        assert_eq!(read(&both[1..], "").state_dir, Some("/b".into()));
        assert_eq!(read(&[("XDG_STATE_HOME", "b")], "").state_dir, None);
        let error = read(&[("CASTOFF_STATE_DIR", "a")], "").check().unwrap_err().to_string();
        assert!(error.contains("CASTOFF_STATE_DIR") && error.contains("`a`"), "{error}");
    }

    #[test]
    fn the_reaper_goes_off_by_either_name() {
        assert!(!read(&[("CASTOFF_REAPER", "off")], "").reaper);
        assert!(!read(&[("TESTCONTAINERS_RYUK_DISABLED", "TRUE")], "").reaper);
        assert!(!read(&[], "ryuk.disabled = true").reaper);
        assert!(read(&[("CASTOFF_REAPER", "on")], "").reaper);
    }
}

//! Registry credentials, found as the docker CLI finds them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::{Client, EngineKind, credential_helper};
use crate::error::{Error, ErrorKind, Result};

/// Limit for all credential helpers of one lookup together, after which the running one is killed.
/// Long enough to unlock a key ring by hand.
const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// The names under which Docker Hub's credentials are stored.
const HUB_KEYS: [&str; 4] =
    ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"];

/// Credentials for one registry. `Debug` shows no secret.
#[derive(Clone)]
pub(crate) struct Login {
    registry: String,
    credential: Credential,
}

#[derive(Clone)]
enum Credential {
    IdentityToken(String),
    Password { user: String, password: String },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Login {
    /// Returns the user (`None` for an identity token) and the secret.
    #[cfg(feature = "registry")]
    pub(crate) fn into_parts(self) -> (Option<String>, String) {
        match self.credential {
            Credential::IdentityToken(token) => (None, token),
            Credential::Password { user, password } => (Some(user), password),
        }
    }

    pub(super) fn into_header(self) -> DockerCredentials {
        let header = DockerCredentials {
            serveraddress: Some(self.registry),
            ..DockerCredentials::default()
        };
        match self.credential {
            Credential::IdentityToken(token) => {
                DockerCredentials { identitytoken: Some(token), ..header }
            }
            Credential::Password { user, password } => {
                DockerCredentials { username: Some(user), password: Some(password), ..header }
            }
        }
    }
}

impl Client {
    /// Returns the credentials for a registry, or `None` for anonymous access. Logs failures.
    pub(crate) async fn login_for(&self, registry: &str) -> Option<Login> {
        self.find_login(registry).await.0
    }

    /// Returns the credentials for a registry: from `DOCKER_AUTH_CONFIG`, docker's `config.json`
    /// with its helpers, or (for Podman) its `auth.json`, in this order. The error beside them says
    /// why they could not be found. As an anonymous request may be enough, it is only logged, and a
    /// hint if the request fails.
    ///
    /// # Cancel safety
    /// A credential helper that runs is killed when the future is dropped.
    pub(crate) async fn find_login(&self, registry: &str) -> (Option<Login>, Option<Error>) {
        let search = Search {
            registry: registry.to_owned(),
            inline: self.config().auth_config.clone(),
            files: self.credential_files(),
        };
        let (found, finding) = tokio::sync::oneshot::channel();
        // Neither a shutdown of the runtime nor the end of the process waits for this thread.
        let thread = std::thread::Builder::new().name("castoff-login".into());
        let started = thread.spawn(move || {
            let outcome = search.run(Instant::now() + HELPER_LIMIT, &|| !found.is_closed());
            let _ = found.send(outcome);
        });
        let (login, trouble) = match started {
            Ok(_) => finding.await.unwrap_or_else(|_| {
                (None, Some(Error::other("the thread that looks for a login was lost")))
            }),
            Err(error) => {
                let message = "no thread to look for a login on";
                (None, Some(Error::new(ErrorKind::Io, message).with_source(error)))
            }
        };
        if let Some(error) = &trouble {
            let hint = error.hint().unwrap_or_default();
            tracing::warn!(registry, %error, hint, "no login was found: asking anonymously");
        }
        (login, trouble)
    }

    /// Returns the files that store logins, for Podman as in podman-login(1).
    fn credential_files(&self) -> Vec<PathBuf> {
        let config = self.config();
        let mut files: Vec<_> =
            config.docker_config.iter().map(|dir| dir.join("config.json")).collect();
        if self.kind() == EngineKind::Podman {
            let named = std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from);
            let usual = || config.runtime_dir.as_ref().map(|dir| dir.join("containers/auth.json"));
            files.extend(named.or_else(usual));
        }
        files
    }
}

/// A lookup, for a thread that may block.
struct Search {
    registry: String,
    inline: Option<String>,
    files: Vec<PathBuf>,
}

impl Search {
    fn run(&self, until: Instant, is_wanted: &dyn Fn() -> bool) -> (Option<Login>, Option<Error>) {
        let inline = self.inline.iter().map(|text| text.clone().into_bytes());
        let texts = inline.chain(self.files.iter().filter_map(|path| std::fs::read(path).ok()));
        let mut trouble = None;
        for text in texts {
            match look_up(&text, &self.registry, until, is_wanted) {
                Ok(Some(login)) => return (Some(login), trouble),
                Ok(None) => {}
                Err(error) => drop(trouble.get_or_insert(error)),
            }
        }
        (None, trouble)
    }
}

/// The part of Docker's `config.json` that is about logins.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    auths: Option<BTreeMap<String, Auth>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

fn look_up(
    config: &[u8],
    registry: &str,
    until: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Login>> {
    // The parser's message is left out, as it may quote a password.
    let stored: Stored = serde_json::from_slice(config).map_err(|_| {
        Error::new(ErrorKind::InvalidInput, "docker's config.json is no valid JSON")
    })?;
    let keys: &[&str] = if registry == "docker.io" { &HUB_KEYS } else { &[registry] };
    for key in keys {
        if let Some(credential) = stored.credential(key, until, is_wanted)? {
            return Ok(Some(Login { registry: (*key).to_owned(), credential }));
        }
    }
    Ok(None)
}

impl Stored {
    /// Looks up a login in docker's order: the registry's own helper, the file, the helper for all.
    fn credential(
        &self,
        key: &str,
        until: Instant,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Credential>> {
        let ask = |helper: &str| {
            let program = format!("docker-credential-{helper}");
            let answer = credential_helper::ask(&program, key, until, is_wanted)?;
            Ok(answer.and_then(|answer| match answer.username.as_str() {
                "<token>" => token(&answer.secret),
                user => password(user, &answer.secret),
            }))
        };
        let filled = |helper: &&String| !helper.is_empty();
        let own = self.cred_helpers.as_ref().and_then(|helpers| helpers.get(key));
        if let Some(helper) = own.filter(filled) {
            return ask(helper);
        }
        if let Some(auth) = self.auth(key)
            && let Some(credential) = auth.credential()?
        {
            return Ok(Some(credential));
        }
        self.creds_store.as_ref().filter(filled).map_or(Ok(None), |helper| ask(helper))
    }

    /// Returns the entry of a registry, which may be stored as a URL.
    fn auth(&self, key: &str) -> Option<&Auth> {
        let auths = self.auths.as_ref()?;
        let same = || auths.iter().find(|(stored, _)| host(stored) == host(key));
        auths.get(key).or_else(|| same().map(|(_, auth)| auth))
    }
}

/// Returns the host of a key. Docker Hub has several.
fn host(key: &str) -> &str {
    let plain = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = plain.map_or(key, |rest| rest.split('/').next().unwrap_or(rest));
    if HUB_KEYS.contains(&host) { "docker.io" } else { host }
}

impl Auth {
    fn credential(&self) -> Result<Option<Credential>> {
        if let Some(found) = self.identitytoken.as_deref().and_then(token) {
            return Ok(Some(found));
        }
        if let Some(auth) = self.auth.as_deref().filter(|auth| !auth.is_empty()) {
            return decode(auth).map(Some);
        }
        let (Some(user), Some(secret)) = (&self.username, &self.password) else { return Ok(None) };
        Ok(password(user, secret))
    }
}

/// Decodes `user:password` in base64, with padding or without.
fn decode(auth: &str) -> Result<Credential> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, lenient).decode(auth).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(':'));
    parts.and_then(|(user, secret)| password(user, secret.trim_end_matches('\0'))).ok_or_else(
        || {
            let message = "an `auth` in docker's config.json is not `user:password` in base64";
            Error::new(ErrorKind::InvalidInput, message)
        },
    )
}

fn token(token: &str) -> Option<Credential> {
    (!token.is_empty()).then(|| Credential::IdentityToken(token.to_owned()))
}

fn password(user: &str, password: &str) -> Option<Credential> {
    let (user, password) = (user.to_owned(), password.to_owned());
    (!user.is_empty() || !password.is_empty()).then_some(Credential::Password { user, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    // "user:pass" and "hub:word" in base64.
    const CONFIG: &[u8] = br#"{"auths":{
        "registry.example.com":{"auth":"dXNlcjpwYXNz"},
        "https://index.docker.io/v1/":{"auth":"aHViOndvcmQ="}}}"#;

    fn look_up(config: &[u8], registry: &str) -> Result<Option<Login>> {
        super::look_up(config, registry, Instant::now() + HELPER_LIMIT, &|| true)
    }

    #[test]
    fn each_registry_gets_its_own_credentials() {
        let header = look_up(CONFIG, "registry.example.com").unwrap().unwrap().into_header();
        assert_eq!(header.username.as_deref(), Some("user"));
        assert_eq!(header.password.as_deref(), Some("pass"));
        let hub = look_up(CONFIG, "docker.io").unwrap().unwrap().into_header();
        assert_eq!(hub.username.as_deref(), Some("hub"));
        assert_eq!(hub.serveraddress.as_deref(), Some("https://index.docker.io/v1/"));
        assert!(look_up(CONFIG, "other.example.com").unwrap().is_none());
    }

    #[test]
    fn broken_configurations_mean_no_credentials_and_debug_shows_none() {
        for (config, secret) in [
            (&br#"{"auths":{"docker.io":{"auth":"sesame"}}}"#[..], "sesame"),
            (br#"{"auths":{"docker.io":"sesame"}}"#, "sesame"),
            (b"not json", "not json"),
        ] {
            let error = look_up(config, "docker.io").unwrap_err();
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
        let login = look_up(CONFIG, "docker.io").unwrap().unwrap();
        assert!(!format!("{login:?}").contains("word"));
    }
}

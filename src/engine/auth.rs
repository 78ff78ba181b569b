//! Registry credentials, found as the docker CLI finds them.

use std::fmt;
use std::io::Cursor;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::{Engine, EngineKind};

/// A credential helper that takes longer is given up.
const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// The names under which Docker Hub's credentials are kept.
const HUB_KEYS: [&str; 4] =
    ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"];

/// Credentials for one registry. `Debug` shows no secret.
pub(crate) struct Login {
    registry: String,
    credential: DockerCredential,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Login {
    /// User (`None` for an identity token) and secret.
    #[cfg(feature = "registry")]
    pub(crate) fn into_parts(self) -> (Option<String>, String) {
        match self.credential {
            DockerCredential::IdentityToken(token) => (None, token),
            DockerCredential::UsernamePassword(name, password) => (Some(name), password),
        }
    }

    pub(super) fn into_header(self) -> DockerCredentials {
        let header = DockerCredentials {
            serveraddress: Some(self.registry),
            ..DockerCredentials::default()
        };
        match self.credential {
            DockerCredential::IdentityToken(token) => {
                DockerCredentials { identitytoken: Some(token), ..header }
            }
            DockerCredential::UsernamePassword(name, password) => {
                DockerCredentials { username: Some(name), password: Some(password), ..header }
            }
        }
    }
}

impl Engine {
    /// Credentials for a registry: `DOCKER_AUTH_CONFIG`, then docker's `config.json` with its
    /// helpers, then (for Podman) its `auth.json`. Without any, or when a helper fails, the
    /// registry is asked anonymously; a failure is logged.
    pub(crate) async fn login_for(&self, registry: &str) -> Option<Login> {
        let registry = registry.to_owned();
        let inline = self.config().auth_config.clone();
        let file = self.config().docker_config.as_ref().map(|dir| dir.join("config.json"));
        let podman = self.kind() == EngineKind::Podman;
        let looking = tokio::task::spawn_blocking(move || {
            let mut texts: Vec<Vec<u8>> = inline.map(String::into_bytes).into_iter().collect();
            texts.extend(file.and_then(|path| std::fs::read(path).ok()));
            let found = texts.iter().find_map(|text| look_up(text, &registry));
            found.or_else(|| {
                let credential = podman
                    .then(|| docker_credential::get_podman_credential(&registry).ok())
                    .flatten()?;
                Some(Login { registry: registry.clone(), credential })
            })
        });
        match tokio::time::timeout(HELPER_LIMIT, looking).await {
            Ok(found) => found.ok().flatten(),
            Err(_) => {
                tracing::warn!("a registry credential helper did not answer; pulling anonymously");
                None
            }
        }
    }
}

fn look_up(config: &[u8], registry: &str) -> Option<Login> {
    let keys: &[&str] = if registry == "docker.io" { &HUB_KEYS } else { &[registry] };
    keys.iter().find_map(|key| {
        match docker_credential::get_credential_from_reader(Cursor::new(config), key) {
            Ok(credential) if !is_empty(&credential) => {
                Some(Login { registry: (*key).to_owned(), credential })
            }
            Ok(_) | Err(CredentialRetrievalError::NoCredentialConfigured) => None,
            Err(error) => {
                tracing::warn!(registry, %error, "no registry credentials: the lookup failed");
                None
            }
        }
    })
}

fn is_empty(credential: &DockerCredential) -> bool {
    match credential {
        DockerCredential::IdentityToken(token) => token.is_empty(),
        DockerCredential::UsernamePassword(name, password) => {
            name.is_empty() && password.is_empty()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // "user:pass" and "hub:word" in base64.
    const CONFIG: &[u8] = br#"{"auths":{
        "registry.example.com":{"auth":"dXNlcjpwYXNz"},
        "https://index.docker.io/v1/":{"auth":"aHViOndvcmQ="}}}"#;

    #[test]
    fn each_registry_gets_its_own_credentials() {
        let header = look_up(CONFIG, "registry.example.com").unwrap().into_header();
        assert_eq!(header.username.as_deref(), Some("user"));
        assert_eq!(header.password.as_deref(), Some("pass"));
        let hub = look_up(CONFIG, "docker.io").unwrap().into_header();
        assert_eq!(hub.username.as_deref(), Some("hub"));
        assert_eq!(hub.serveraddress.as_deref(), Some("https://index.docker.io/v1/"));
        assert!(look_up(CONFIG, "other.example.com").is_none());
    }

    #[test]
    fn broken_configurations_mean_no_credentials_and_debug_shows_none() {
        assert!(look_up(b"not json", "docker.io").is_none());
        let login = look_up(CONFIG, "docker.io").unwrap();
        assert!(!format!("{login:?}").contains("word"));
    }
}

//! [`Registry`]: one registry, and the login for it.

use std::fmt;

use bytes::Bytes;
use reqwest::Url;

use super::call::Call;
use super::name::{HUB, HUB_NAMES};
use super::url;
use crate::connection::Engine;
use crate::error::{Error, Result};

/// One image registry. Only its async methods send requests.
///
/// ```no_run
/// use castoff::registry::Registry;
///
/// # async fn run(ca: Vec<u8>) -> castoff::Result<()> {
/// let registry = Registry::new("registry.example.com:5000")
///     .with_login("ann", "sesame")
///     .with_certificate(ca);
/// registry.check().await?;
/// for tag in registry.tags("team/api").await? {
///     println!("{tag}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it does nothing by itself"]
pub struct Registry {
    pub(super) host: String,
    pub(super) credential: Option<Credential>,
    pub(super) certificates: Vec<Bytes>,
    insecure_http: bool,
}

/// The login for the registry or its token server. `Debug` output never contains it.
#[derive(Clone)]
pub(super) enum Credential {
    Password { user: String, password: String },
    IdentityToken(String),
}

impl Registry {
    /// Creates a registry by its host, with a port unless it is the default one: `ghcr.io`,
    /// `127.0.0.1:5000`, `docker.io`. It has no login, and is used by HTTPS unless it is on this
    /// machine.
    pub fn new(host: impl Into<String>) -> Registry {
        let host = host.into();
        let host = if HUB_NAMES.contains(&host.as_str()) { HUB.to_owned() } else { host };
        Registry { host, credential: None, certificates: Vec::new(), insecure_http: false }
    }

    /// Sets the user and the password.
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Registry {
        let (user, password) = (user.into(), password.into());
        self.credential = Some(Credential::Password { user, password });
        self
    }

    /// Sets an identity token, as `docker login` stores it for some registries, in place of a
    /// password.
    pub fn with_token(mut self, token: impl Into<String>) -> Registry {
        self.credential = Some(Credential::IdentityToken(token.into()));
        self
    }

    /// Adds a certificate to trust, in PEM form, besides those of the system. With one, a registry
    /// on this machine is used by HTTPS as well.
    pub fn with_certificate(mut self, pem: impl Into<Bytes>) -> Registry {
        self.certificates.push(pem.into());
        self
    }

    /// Allows plain HTTP, also to another machine. Whoever is on the way there can read the login.
    pub fn with_insecure_http(mut self) -> Registry {
        self.insecure_http = true;
        self
    }

    /// Checks that the registry can be reached and accepts the login.
    ///
    /// OCI Distribution Specification v1.1, "Determining Support" (`GET /v2/`).
    ///
    /// # Errors
    /// [`ErrorKind::ImageDenied`](crate::ErrorKind::ImageDenied) if it does not accept the login,
    /// or requires one; [`ErrorKind::Connection`](crate::ErrorKind::Connection) if it can't be
    /// reached.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn check(&self) -> Result<()> {
        let answer = self.call(Call::get("/v2/")).await?;
        match answer.status {
            200 => Ok(()),
            404 => Err(Error::new(
                crate::ErrorKind::Protocol,
                format!("{} does not speak the registry protocol", self.host),
            )
            .with_status(404)),
            _ => Err(self.refused("the login", &answer)),
        }
    }

    /// Returns the URL of the registry.
    pub(super) fn base(&self) -> Result<Url> {
        let host = if self.host == HUB { "registry-1.docker.io" } else { &self.host };
        // A URL parser would drop these, or read a path or a user out of them.
        let is_strange = |c: char| "/\\?#@".contains(c) || c.is_whitespace() || c.is_control();
        let by = |scheme: &str| {
            let url = url::parse(&format!("{scheme}://{host}/"));
            let url = url.filter(|_| !host.contains(is_strange));
            url.ok_or_else(|| Error::invalid("registry", format!("{host:?} is no host")))
        };
        let url = by("https")?;
        let local = url::is_loopback(&url) && self.certificates.is_empty();
        if self.insecure_http || local { by("http") } else { Ok(url) }
    }

    /// Returns whether a login may be sent to a URL, and a redirect to it followed.
    pub(super) fn trusts(&self, url: &Url) -> bool {
        url.scheme() == "https" || url::is_loopback(url) || self.insecure_http
    }
}

impl Engine {
    /// Creates a registry with the login that the engine's pulls and pushes use for it:
    /// `DOCKER_AUTH_CONFIG`, then the logins of `docker login`, including credential helpers. If
    /// none has one, the registry has no login.
    ///
    /// ```no_run
    /// # async fn run() -> castoff::Result<()> {
    /// let registry = castoff::Engine::connect().await?.registry("ghcr.io").await;
    /// println!("{:?}", registry.tags("acme/api").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// A credential helper that runs is killed.
    pub async fn registry(&self, host: impl Into<String>) -> Registry {
        let registry = Registry::new(host);
        match self.client().login_for(&registry.host).await.map(|login| login.into_parts()) {
            Some((Some(user), password)) => registry.with_login(user, password),
            Some((None, token)) => registry.with_token(token),
            None => registry,
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("host", &self.host)
            .field("login", &self.credential.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (registry, base) in [
            (Registry::new("127.0.0.1:5000"), "http://127.0.0.1:5000/"),
            (Registry::new("[::1]:5000"), "http://[::1]:5000/"),
            (Registry::new("localhost:443"), "http://localhost:443/"),
            (Registry::new("localhost:5000").with_certificate("x"), "https://localhost:5000/"),
            (Registry::new("ghcr.io"), "https://ghcr.io/"),
            (Registry::new("index.docker.io"), "https://registry-1.docker.io/"),
            (Registry::new("10.0.0.1:5000").with_insecure_http(), "http://10.0.0.1:5000/"),
        ] {
            assert_eq!(registry.base().unwrap().as_str(), base);
        }
        for bad in ["", "a/b", "/a", "\\a", "user@host", "a b", "\ta", "a?b", "a#", "a:b", "::1"] {
            assert!(Registry::new(bad).base().is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let registry = Registry::new("ghcr.io").with_login("ann", "sesame");
        assert!(
            !format!("{registry:?} {:?}", registry.clone().with_token("t0ken")).contains("sesame")
        );
    }
}

//! A CNCF Distribution registry of images: [`DockerRegistry`] describes one, [`DockerRegistryServer`] is one that
//! runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::DockerRegistry;
//!
//! let registry = DockerRegistry::new().with_user("ann", "sesame").start().await?;
//! println!("docker login {} && docker push {}", registry.addr(), registry.name_for("team/app:1"));
//! # Ok(())
//! # }
//! ```
//!
//! Docker takes a registry on the loopback interface to be one without TLS, so pushing to and pulling
//! from [`DockerRegistryServer::name_for`] works without any settings of the engine's, where that runs on
//! this machine. Several tests can share a registry when each puts a
//! [`prefix`](DockerRegistryServer::unique_prefix) of its own before its repositories.

use castoff::{Container, ContainerBuilder, CopySource, Error, ErrorKind, Module, Result, WaitFor};
use serde_json::Value;

use crate::fingerprint::Fingerprint;
use crate::http::{Request, Response, until_answer};
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the registry listens on in its container.
pub const PORT: u16 = 5000;
/// The port that reports its health without TLS, if it speaks TLS.
#[cfg(feature = "tls")]
const HEALTH_PORT: u16 = 5001;
const DATA: &str = "/var/lib/registry";
const PASSWORDS: &str = "/castoff/htpasswd";
/// The bcrypt cost of a test's password: the minimum.
const COST: u32 = 4;
/// The accepted media types of manifests.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A description of a registry. Nothing happens before [`start`](Self::start).
///
/// By default: image `registry:2`; open to everybody; images in memory, which may be deleted. It is
/// ready when its API answers.
#[must_use = "nothing is started before `start()`"]
pub struct DockerRegistry {
    container: ContainerBuilder,
    users: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    #[cfg(feature = "tls")]
    tls: Option<Vec<String>>,
}

impl DockerRegistry {
    /// Describes a registry with all defaults.
    pub fn new() -> Self {
        DockerRegistry {
            container: Container::builder("registry:2").with_port(PORT),
            users: Vec::new(),
            settings: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Adds a user with all rights; then nobody else has any. May be called several times. The name
    /// must not contain a colon, and the password may have up to 72 bytes.
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Sets an option of the registry's configuration by its path: `proxy.remoteurl`, `log.level`.
    pub fn with_config(mut self, path: impl AsRef<str>, value: impl Into<String>) -> Self {
        let variable = format!("REGISTRY_{}", path.as_ref().replace('.', "_").to_uppercase());
        self.settings.push((variable, value.into()));
        self
    }

    /// Has the registry speak TLS, and nothing else, with a certificate for `localhost`, the loopback
    /// addresses and the container's name and aliases in its networks, signed by
    /// [`DockerRegistryServer::ca_certificate`].
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self.container = self.container.with_port(HEALTH_PORT);
        self
    }

    /// Adds names to the server's certificate, such as one that its clients resolve by themselves; the
    /// container's own are there already. Turns TLS on as [`with_tls`](Self::with_tls) does.
    #[cfg(feature = "tls")]
    pub fn with_tls_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tls.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self.with_tls()
    }

    /// Returns the lines of `htpasswd`. They are salted and so different every time; for sharing,
    /// the users and passwords count instead.
    fn passwords(&self) -> Result<CopySource> {
        let mut lines = String::new();
        for (name, password) in &self.users {
            let refused = |what: &str| {
                Err(Error::new(ErrorKind::InvalidInput, format!("user `{name}`: {what}")))
            };
            if name.is_empty() || name.contains([':', '\n', '\r', '\0']) {
                return refused("the name must be one line without a colon, and not empty");
            }
            if password.is_empty() || password.len() > 72 || password.contains('\0') {
                return refused("the password must have 1 to 72 bytes, and no NUL");
            }
            let hash = bcrypt::hash(password, COST)
                .map_err(|error| Error::other("the password can't be hashed").with_source(error))?;
            lines.push_str(&format!("{name}:{hash}\n"));
        }
        let users = self.users.iter().map(|(name, password)| (name, password));
        let identity = format!("users {}", Fingerprint::new("users").pairs(users).digits());
        Ok(CopySource::bytes(lines).with_mode(0o644).with_identity(identity))
    }
}

module!(DockerRegistry => DockerRegistryServer, "registry");

impl Module for DockerRegistry {
    type Server = DockerRegistryServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        let mounts = &container.spec().mounts;
        if mounts.iter().all(|mount| mount.target.trim_end_matches('/') != DATA) {
            container = container.with_tmpfs(DATA);
        }
        container = container.with_env("REGISTRY_STORAGE_DELETE_ENABLED", "true");
        if !self.users.is_empty() {
            container = container
                .with_copy(self.passwords()?, PASSWORDS)
                .with_env("REGISTRY_AUTH", "htpasswd")
                .with_env("REGISTRY_AUTH_HTPASSWD_REALM", "castoff")
                .with_env("REGISTRY_AUTH_HTPASSWD_PATH", PASSWORDS);
        }
        for (variable, value) in &self.settings {
            container = container.with_env(variable, value);
        }
        self.with_certificates(container)
    }

    async fn into_server(self, container: Container) -> Result<DockerRegistryServer> {
        #[cfg(feature = "tls")]
        let ca = match self.tls {
            Some(_) => Some(crate::tls::authority(&container).await?),
            None => None,
        };
        Ok(DockerRegistryServer {
            service: Service::new(container, PORT)?,
            users: self.users,
            #[cfg(feature = "tls")]
            ca,
        })
    }
}

impl DockerRegistry {
    fn answers(&self) -> WaitFor {
        let asking = authorized(Request::new("GET", "/v2/"), &self.users);
        let ready = |answer: &Response| answer.status == 200;
        until_answer("the registry to answer", PORT, asking, ready).into()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unnecessary_wraps, reason = "the other one has to")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container.with_wait(self.answers()))
    }

    /// Adds certificates. With TLS, health is probed on another port, as this crate does not speak
    /// TLS itself.
    #[cfg(feature = "tls")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, DIRECTORY, names};

        let Some(further) = &self.tls else { return Ok(container.with_wait(self.answers())) };
        let health = Request::new("GET", "/debug/health");
        let healthy = |answer: &Response| answer.status == 200;
        let container = container
            .with_env("REGISTRY_HTTP_TLS_CERTIFICATE", format!("{DIRECTORY}/server.crt"))
            .with_env("REGISTRY_HTTP_TLS_KEY", format!("{DIRECTORY}/server.key"))
            .with_env("REGISTRY_HTTP_DEBUG_ADDR", format!(":{HEALTH_PORT}"))
            .with_wait(WaitFor::port(PORT))
            .with_wait(until_answer("the registry to be healthy", HEALTH_PORT, health, healthy));
        let names = names(container.spec(), further);
        Ok(Certificates::generate(&names)?.copy_into(container, &names, (0, 0)))
    }
}

/// Adds the first user's credentials, if there is one.
fn authorized(request: Request, users: &[(String, String)]) -> Request {
    match users.first() {
        Some((name, password)) => request.with_basic_auth(name, password),
        None => request,
    }
}

/// A registry, removed with its images when this handle is dropped.
#[must_use = "the registry is removed when its handle is dropped"]
pub struct DockerRegistryServer {
    service: Service,
    users: Vec<(String, String)>,
    #[cfg(feature = "tls")]
    ca: Option<String>,
}

server!(DockerRegistryServer);

impl DockerRegistryServer {
    /// Returns the URL for a client on this machine: `http://127.0.0.1:49153`, with TLS
    /// `https://..`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.addr())
    }

    /// Returns the URL for a client in a network that the registry is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("{}://{}", self.scheme(), self.network_addr())
    }

    /// Returns the full name of an image in it, for an engine on this machine:
    /// `127.0.0.1:49153/team/app:1`.
    #[must_use]
    pub fn name_for(&self, image: &str) -> String {
        format!("{}/{image}", self.addr())
    }

    /// Returns a unique prefix for repositories: `castoff-`, twelve characters and `/`.
    #[must_use]
    pub fn unique_prefix(&self) -> String {
        format!("castoff-{}/", token())
    }

    /// The certificate, in PEM, of the authority that signed the registry's; where it was made
    /// [`with_tls`](DockerRegistry::with_tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Returns its repositories, up to the first thousand.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with TLS, which this crate does not speak itself. Also fails if
    /// the registry can't be reached.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn repositories(&self) -> Result<Vec<String>> {
        let answer = self.ask("GET", "_catalog?n=1000").await?;
        names(&answer.body, "repositories")
    }

    /// Returns the tags of a repository, sorted by name.
    ///
    /// # Errors
    /// As for [`repositories`](Self::repositories), and if there is no such repository.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>> {
        let answer = self.ask("GET", &format!("{repository}/tags/list")).await?;
        names(&answer.body, "tags")
    }

    /// Deletes the manifest of a tag or a digest. Its layers stay until they are garbage-collected.
    ///
    /// # Errors
    /// As for [`repositories`](Self::repositories), and if there is no such manifest.
    ///
    /// # Cancel safety
    /// It may be deleted even if the future is dropped.
    pub async fn delete(&self, repository: &str, reference: &str) -> Result<()> {
        let found = self.ask("GET", &format!("{repository}/manifests/{reference}")).await?;
        let digest = found.header("Docker-Content-Digest").ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "the registry does not say the manifest's digest")
        })?;
        self.ask("DELETE", &format!("{repository}/manifests/{digest}")).await.map(drop)
    }

    async fn ask(&self, method: &'static str, path: &str) -> Result<Response> {
        if self.scheme() == "https" {
            let what = "a registry with TLS is asked by a client that speaks it";
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let request = Request::new(method, format!("/v2/{path}")).with_header("Accept", MANIFESTS);
        authorized(request, &self.users).send_ok(self.addr()).await
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "the other one has to")]
    fn scheme(&self) -> &'static str {
        "http"
    }

    #[cfg(feature = "tls")]
    fn scheme(&self) -> &'static str {
        if self.ca.is_some() { "https" } else { "http" }
    }
}

/// Reads a list of names from an answer; `null` means an empty one.
fn names(body: &str, field: &str) -> Result<Vec<String>> {
    let answer: Value = serde_json::from_str(body).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the registry's answer").with_source(error)
    })?;
    let names = answer[field].as_array().into_iter().flatten();
    let mut names: Vec<String> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::spec_of;

    #[test]
    fn settings_are_variables() {
        let spec =
            spec_of(DockerRegistry::new().with_config("proxy.remoteurl", "https://example.org"));
        assert_eq!(spec.env["REGISTRY_PROXY_REMOTEURL"], "https://example.org");
        assert!(!spec.env.contains_key("REGISTRY_AUTH"));
        assert!(
            spec_of(DockerRegistry::new().with_user("a", "b")).env.contains_key("REGISTRY_AUTH")
        );
    }

    #[test]
    fn users_that_can_not_be_are_named() {
        for (name, password) in [("a:b", "x"), ("", "x"), ("ann", ""), ("ann", &"x".repeat(73))] {
            let error =
                DockerRegistry::new().with_user(name, password).configure(Container::builder("x"));
            let told = error.err().unwrap().to_string();
            assert!(told.starts_with(&format!("user `{name}`")), "{told}");
        }
    }

    #[test]
    fn debug_does_not_tell_passwords_and_answers_are_lists() {
        assert!(
            !format!("{:?}", DockerRegistry::new().with_user("ann", "sesame")).contains("sesame")
        );
        assert_eq!(names(r#"{"tags":["1","2"]}"#, "tags").unwrap(), ["1", "2"]);
        assert!(names(r#"{"tags":null}"#, "tags").unwrap().is_empty());
        assert!(names("<html>", "tags").is_err());
    }
}

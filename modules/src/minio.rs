//! A MinIO object store: [`Minio`] describes one, [`MinioServer`] is a handle to a running one.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port for S3 in the container.
pub const PORT: u16 = 9000;
/// The port of the console in the container.
pub const CONSOLE_PORT: u16 = 9001;
const DATA: &str = "/data";

/// A description of a MinIO server. Nothing happens before [`start`](Self::start).
///
/// By default: image `minio/minio:RELEASE.2025-04-22T22-12-26Z`; user and password `minioadmin`;
/// data in memory. It is ready when it reports so.
#[must_use = "nothing is started before `start()`"]
pub struct Minio {
    container: ContainerBuilder,
    user: String,
    password: String,
}

impl Minio {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Minio {
            container: Container::builder("minio/minio:RELEASE.2025-04-22T22-12-26Z")
                .with_port(PORT)
                .with_port(CONSOLE_PORT),
            user: "minioadmin".into(),
            password: "minioadmin".into(),
        }
    }

    /// Sets the root user's name, of at least 3 characters: the access key.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the root user's password, of at least 8 characters: the secret key.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Sets an environment variable of the image: `MINIO_REGION`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(Minio => MinioServer, "minio/minio");

impl Module for Minio {
    type Server = MinioServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        for (option, value, least) in [("user", &self.user, 3), ("password", &self.password, 8)] {
            if value.len() < least {
                let what = format!("{option}: it must have at least {least} characters");
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
        }
        let mut container = container;
        if container.spec().command.is_none() {
            container = container.with_command(["server", DATA, "--console-address", ":9001"]);
        }
        if container.spec().mounts.iter().all(|mount| mount.target != DATA) {
            container = container.with_tmpfs(DATA);
        }
        let ready = Request::new("GET", "/minio/health/ready");
        Ok(container
            .with_env("MINIO_ROOT_USER", &self.user)
            .with_env("MINIO_ROOT_PASSWORD", &self.password)
            .with_wait(until_answer("MinIO to be ready", PORT, ready, |a| a.status == 200)))
    }

    async fn into_server(self, container: Container) -> Result<MinioServer> {
        Ok(MinioServer {
            service: Service::new(container, PORT)?,
            user: self.user,
            password: self.password,
        })
    }
}

/// A MinIO server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct MinioServer {
    service: Service,
    user: String,
    password: String,
}

server!(MinioServer);

impl MinioServer {
    /// Returns the URL for a client on this machine, an S3 endpoint: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Returns the URL of the console, for a browser on this machine.
    ///
    /// # Errors
    /// Fails while the server is stopped.
    pub fn console_url(&self) -> Result<String> {
        Ok(format!("http://{}", self.container().addr(CONSOLE_PORT)?))
    }

    /// Returns the access key.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the secret key.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Creates a bucket, with the client `mc` in the container.
    ///
    /// # Errors
    /// Fails with the output of `mc` if it fails.
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn create_bucket(&self, name: &str) -> Result<()> {
        let lines = "mc alias set castoff http://127.0.0.1:9000 \"$MINIO_ROOT_USER\" \
             \"$MINIO_ROOT_PASSWORD\" >/dev/null && mc mb \"castoff/$1\"";
        self.container().exec(["sh", "-c", lines, "sh", name]).await?.ok().map(drop)
    }

    /// Returns a unique name for a bucket: `castoff-` and twelve characters.
    #[must_use]
    pub fn unique_name(&self) -> String {
        format!("castoff-{}", token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn minio_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Minio::new()));
    }

    #[test]
    fn short_credentials_are_refused() {
        let error = Minio::new().with_password("short").configure(Container::builder("x"));
        assert!(error.err().unwrap().to_string().starts_with("password"));
    }
}

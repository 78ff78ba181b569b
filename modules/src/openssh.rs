//! An OpenSSH server, for commands and SFTP: [`OpenSsh`] describes one, [`OpenSshServer`] is a
//! handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::OpenSsh;
//!
//! let server = OpenSsh::new().with_user("ann").with_password("sesame").shared().await?;
//! let mine = server.directory().await?; // where this test's files go
//! println!("sftp -P {} ann@127.0.0.1:{mine}", server.addr().port());
//! println!("its key: {}", server.host_key().await?);
//! # Ok(())
//! # }
//! ```

use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, CopySource, Error, ErrorKind, Module, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::{Answer, text, until_ready};
use crate::shape::{Service, module, server};
use crate::unique::token;
use crate::url::encode;

/// The port that the server listens on in its container.
pub const PORT: u16 = 2222;
const HOST_KEY: &str = "/config/ssh_host_keys/ssh_host_ed25519_key.pub";
/// The parent of the tests' directories. The user's home is `/config`.
const DIRECTORIES: &str = "/config/castoff";
/// Limit for the length of a line up to the server's identification, in bytes.
const LONGEST: usize = 4096;
const KEXINIT: u8 = 20;

/// A description of an OpenSSH server. Nothing happens before [`start`](Self::start).
///
/// By default: image `lscr.io/linuxserver/openssh-server:latest`; user and password `castoff`. It
/// is ready when it begins the key exchange.
#[must_use = "nothing is started before `start()`"]
pub struct OpenSsh {
    container: ContainerBuilder,
    user: String,
    password: Option<String>,
    keys: Vec<String>,
}

impl OpenSsh {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        OpenSsh {
            container: Container::builder("lscr.io/linuxserver/openssh-server:latest")
                .with_port(PORT),
            user: "castoff".into(),
            password: Some("castoff".into()),
            keys: Vec::new(),
        }
    }

    /// Sets the user's name, in the form that Linux accepts: `ann`, `ann.lee`.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the user's password, on one line.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Disables logins by password. See [`with_public_key`](Self::with_public_key).
    pub fn without_password(mut self) -> Self {
        self.password = None;
        self
    }

    /// Adds a public key of the user, as in `authorized_keys`. May be called several times.
    pub fn with_public_key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::new(ErrorKind::InvalidInput, what.to_owned()));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !self.user.starts_with(first) || !self.user.chars().all(plain) || self.user.len() > 32 {
            return refused("user: it must be a name as Linux has them");
        }
        if self.password.as_ref().is_some_and(|p| p.is_empty() || p.contains(['\n', '\r', '\0'])) {
            return refused("password: it must be one line, and not empty");
        }
        if self.keys.iter().any(|key| key.contains(['\n', '\r', '\0']) || !key.contains(' ')) {
            return refused("public key: it must be one line, `ssh-ed25519 AAAA..`");
        }
        if self.password.is_none() && self.keys.is_empty() {
            return refused("password: without it and without a public key nobody gets in");
        }
        Ok(())
    }
}

module!(OpenSsh => OpenSshServer, "lscr.io/linuxserver/openssh-server", user);

impl Module for OpenSsh {
    type Server = OpenSshServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        self.check()?;
        if let Some(password) = &self.password {
            container = container.with_env("USER_PASSWORD", password);
        }
        if !self.keys.is_empty() {
            container = container.with_env("PUBLIC_KEY", self.keys.join("\n"));
        }
        let by_password = self.password.is_some().to_string();
        Ok(container
            .with_env("USER_NAME", &self.user)
            .with_env("PASSWORD_ACCESS", by_password)
            .with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<OpenSshServer> {
        let service = Service::new(container, PORT)?;
        Ok(OpenSshServer { service, user: self.user, password: self.password })
    }
}

/// An OpenSSH server, removed with its files when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct OpenSshServer {
    service: Service,
    user: String,
    password: Option<String>,
}

server!(OpenSshServer, user);

impl OpenSshServer {
    /// Returns the URL for a client on this machine, without the password:
    /// `sftp://castoff@127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sftp://{}@{}", encode(&self.user), self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("sftp://{}@{}", encode(&self.user), self.network_addr())
    }

    /// Returns the user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the user's password, unless logins by password are disabled.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns the server's public key, for clients to verify: `ssh-ed25519 AAAA..`.
    ///
    /// # Errors
    /// Fails if it can't be read from the container.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn host_key(&self) -> Result<String> {
        let file = self.container().read_file(HOST_KEY).await?;
        let line = text(&file);
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        Ok(words.join(" "))
    }

    /// Creates a unique directory, owned by the user, and returns its path.
    ///
    /// # Errors
    /// Fails if it can't be made in the container.
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn directory(&self) -> Result<String> {
        let path = format!("{DIRECTORIES}/{}", token());
        let lines = "mkdir -p \"$1\" && chown \"$2\" \"${1%/*}\" \"$1\"";
        self.container().exec(["sh", "-c", lines, "sh", &path, &self.user]).await?.ok()?;
        Ok(path)
    }

    /// Puts a file into the container, owned by the user.
    ///
    /// # Errors
    /// Fails if it can't be copied.
    ///
    /// # Cancel safety
    /// The file may exist even if the future is dropped.
    pub async fn put(&self, path: impl AsRef<str>, content: impl Into<Vec<u8>>) -> Result<()> {
        let path = path.as_ref();
        self.container().copy_to(CopySource::bytes(content), path).await?;
        self.container().exec(["chown", &self.user, path]).await?.ok().map(drop)
    }
}

fn wait() -> ProbeWait {
    until_ready("OpenSSH to exchange keys".into(), PORT, |mut stream| async move {
        greeting(&mut stream).await
    })
}

/// Exchanges identifications and checks that the server offers keys (RFC 4253, sections 4.2, 6 and
/// 7.1).
async fn greeting(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Answer> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LONGEST {
        line.push(stream.read_u8().await?);
    }
    let said = text(&line);
    if !said.starts_with("SSH-2.0-") {
        return Ok(Answer::NotYet(said));
    }
    stream.write_all(b"SSH-2.0-castoff\r\n").await?;
    let mut packet = [0; 6];
    stream.read_exact(&mut packet).await?;
    Ok(if packet[5] == KEXINIT { Answer::Ready(said) } else { Answer::NotYet(said) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::spec_of;

    #[test]
    fn without_a_password_there_has_to_be_a_key() {
        let spec = spec_of(OpenSsh::new().without_password().with_public_key("ssh-ed25519 AAAA"));
        assert_eq!(spec.env["PASSWORD_ACCESS"], "false");
        assert!(!spec.env.contains_key("USER_PASSWORD"));
        for (module, option) in [
            (OpenSsh::new().without_password(), "password"),
            (OpenSsh::new().with_password("a\nb"), "password"),
            (OpenSsh::new().with_user("ann lee"), "user"),
            (OpenSsh::new().with_public_key("AAAA"), "public key"),
        ] {
            let error = module.configure(Container::builder("x")).err().unwrap();
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_offers_keys_is_ready() {
        for (sent, ready) in [
            (&b"SSH-2.0-OpenSSH_9.2\r\n\0\0\0\x20\x04\x14"[..], true),
            (b"SSH-2.0-OpenSSH_9.2\r\n\0\0\0\x20\x04\x01", false),
            (b"Exceeded MaxStartups\r\n", false),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(sent).await.unwrap();
            let answer = greeting(&mut ours).await.unwrap();
            assert_eq!(matches!(answer, Answer::Ready(_)), ready, "{answer:?}");
        }
    }
}

//! A Microsoft SQL Server: [`MsSql`] describes one, [`MsSqlServer`] is a handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::MsSql;
//!
//! let server = MsSql::new().with_accepted_eula().shared().await?;
//! println!("connect to {}", server.url());
//! # Ok(())
//! # }
//! ```
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result, WaitFor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::{Answer, until_ready};
use crate::shape::{SLOW, Service, module, server};
use crate::unique::token;
use crate::url::encode;

/// The port that the server listens on in its container.
pub const PORT: u16 = 1433;
const SQLCMD: &str = "/opt/mssql-tools18/bin/sqlcmd";
const PRELOGIN: u8 = 0x12;
const RESPONSE: u8 = 0x04;

/// A description of a SQL Server. Nothing happens before [`start`](Self::start).
///
/// By default: image `mcr.microsoft.com/mssql/server:2022-latest`; the developer edition; the user
/// `sa` with the password `Castoff-12345`. It is ready when it answers in its own protocol, and
/// `sa` can log in.
///
/// Its license must be [accepted](Self::with_accepted_eula).
#[must_use = "nothing is started before `start()`"]
pub struct MsSql {
    container: ContainerBuilder,
    password: String,
    accepted: bool,
}

impl MsSql {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        MsSql {
            container: Container::builder("mcr.microsoft.com/mssql/server:2022-latest")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
            password: "Castoff-12345".into(),
            accepted: false,
        }
    }

    /// Accepts Microsoft's End-User Licensing Agreement for SQL Server.
    pub fn with_accepted_eula(mut self) -> Self {
        self.accepted = true;
        self
    }

    /// Sets the password of `sa`. The server requires at least 8 characters, of three of these
    /// kinds: capital letters, small letters, digits and others.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }
}

module!(MsSql => MsSqlServer, "mcr.microsoft.com/mssql/server");

impl Module for MsSql {
    type Server = MsSqlServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        if !self.accepted {
            let what = "eula: SQL Server runs for those only who accept its licence";
            let error = Error::new(ErrorKind::InvalidInput, what);
            return Err(error.with_hint("read it, and say `.with_accepted_eula()`"));
        }
        if !strong(&self.password) {
            let what = "password: it must have 8 characters, of three of the four kinds";
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let login = "exec \"$0\" -C -b -S 127.0.0.1 -U sa -P \"$MSSQL_SA_PASSWORD\" -Q 'SELECT 1'";
        Ok(container
            .with_env("ACCEPT_EULA", "Y")
            .with_env("MSSQL_PID", "Developer")
            .with_env("MSSQL_SA_PASSWORD", &self.password)
            .with_wait(wait())
            .with_wait(WaitFor::exec(["sh", "-c", login, SQLCMD])))
    }

    async fn into_server(self, container: Container) -> Result<MsSqlServer> {
        Ok(MsSqlServer { service: Service::new(container, PORT)?, password: self.password })
    }
}

/// Returns whether a password meets the server's rules.
fn strong(password: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] =
        [char::is_uppercase, char::is_lowercase, char::is_numeric, |c| !c.is_alphanumeric()];
    let found = kinds.iter().filter(|kind| password.chars().any(kind)).count();
    password.chars().count() >= 8 && found >= 3 && !password.contains('\0')
}

/// A SQL Server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct MsSqlServer {
    service: Service,
    password: String,
}

server!(MsSqlServer);

impl MsSqlServer {
    /// Returns the URL for a client on this machine:
    /// `mssql://sa:Castoff-12345@127.0.0.1:49153/master`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mssql://sa:{}@{}/master", encode(&self.password), self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("mssql://sa:{}@{}/master", encode(&self.password), self.network_addr())
    }

    /// Returns the password of `sa`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Runs T-SQL with `sqlcmd` in the container, as `sa`. Returns its output.
    ///
    /// # Errors
    /// Fails with the output of `sqlcmd` if a statement fails.
    ///
    /// # Cancel safety
    /// It may continue after the future is dropped.
    pub async fn sql(&self, text: impl AsRef<str>) -> Result<String> {
        let command = [SQLCMD, "-C", "-b", "-h", "-1", "-W", "-S", "127.0.0.1", "-U", "sa"];
        let run = self.container().exec(command.into_iter().chain(["-Q", text.as_ref()]));
        let out = run.with_env("SQLCMDPASSWORD", &self.password).await?;
        Ok(out.ok()?.stdout_text().into_owned())
    }

    /// Returns a unique name for a database, to be created by the test: `castoff_` and twelve
    /// characters.
    #[must_use]
    pub fn unique_name(&self) -> String {
        format!("castoff_{}", token())
    }
}

fn wait() -> ProbeWait {
    until_ready("SQL Server to answer".into(), PORT, |mut stream| async move {
        prelogin(&mut stream).await
    })
}

/// Asks for the version before a login ([MS-TDS], sections 2.2.3.1 and 2.2.6.5).
async fn prelogin(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Answer> {
    // One option, the version, at offset 6 with 6 bytes; and the end of the options.
    let options = [0, 0, 6, 0, 6, 0xff, 0, 0, 0, 0, 0, 0];
    let length = u16::try_from(options.len() + 8).unwrap_or(u16::MAX).to_be_bytes();
    let head = [PRELOGIN, 1, length[0], length[1], 0, 0, 1, 0];
    stream.write_all(&[&head[..], &options].concat()).await?;
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    Ok(match head[0] {
        RESPONSE => Answer::Ready("its version".into()),
        other => Answer::NotYet(format!("a packet of type {other:#04x}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn mssql_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(MsSql::new().with_accepted_eula()));
    }

    #[test]
    fn licence_and_password_are_asked_for() {
        let refused = |module: MsSql| module.configure(Container::builder("x")).err().unwrap();
        assert!(refused(MsSql::new()).to_string().starts_with("eula"));
        let weak = MsSql::new().with_accepted_eula().with_password("password");
        assert!(refused(weak).to_string().starts_with("password"));
    }

    #[tokio::test]
    async fn an_answer_to_a_prelogin_is_ready() {
        for (sent, ready) in [(b"\x04\x01\0\x08\0\0\x01\0", true), (b"HTTP/1.1", false)] {
            let (mut ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(sent).await.unwrap();
            let answer = prelogin(&mut ours).await.unwrap();
            assert_eq!(matches!(answer, Answer::Ready(_)), ready);
        }
    }
}

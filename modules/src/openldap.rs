//! An OpenLDAP directory server: [`OpenLdap`] describes one, [`OpenLdapServer`] is a handle to a
//! running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::OpenLdap;
//!
//! let directory = OpenLdap::new().with_domain("shop.example").shared().await?;
//! let mine = directory.unit().await?; // an organizational unit of this test's own
//! directory
//!     .add(format!("dn: cn=ann,{mine}\nobjectClass: inetOrgPerson\ncn: ann\nsn: lee\n"))
//!     .await?;
//! println!("connect to {} as {}", directory.url(), directory.admin_dn());
//! # Ok(())
//! # }
//! ```

use std::io;

use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result, WaitFor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the server listens on in its container.
pub const PORT: u16 = 389;
const LDIF: &str = "/container/service/slapd/assets/config/bootstrap/ldif/custom";
/// The file that the image creates once its temporary server, which fills the directory, has ended.
const FILLED: &str = "/container/run/state/slapd-first-start-done";

/// A description of an OpenLDAP server. Nothing happens before [`start`](Self::start).
///
/// By default: image `osixia/openldap:1.5.0`; the domain `example.org`, and so the base
/// `dc=example,dc=org`; the administrator `cn=admin` under it, with the password `admin`; without
/// TLS. It is ready when the directory is filled, and the administrator can bind.
#[must_use = "nothing is started before `start()`"]
pub struct OpenLdap {
    container: ContainerBuilder,
    domain: String,
    organization: String,
    password: String,
    entries: Vec<String>,
}

impl OpenLdap {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        OpenLdap {
            container: Container::builder("osixia/openldap:1.5.0").with_port(PORT),
            domain: "example.org".into(),
            organization: "Example".into(),
            password: "admin".into(),
            entries: Vec::new(),
        }
    }

    /// Sets the domain from which the base is made.
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// The organization's name.
    pub fn with_organization(mut self, name: impl Into<String>) -> Self {
        self.organization = name.into();
        self
    }

    /// Sets the administrator's password, on one line.
    pub fn with_admin_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Adds initial entries, as LDIF. May be called several times.
    pub fn with_ldif(mut self, entries: impl Into<String>) -> Self {
        self.entries.push(entries.into());
        self
    }

    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::new(ErrorKind::InvalidInput, what.to_owned()));
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !self.domain.split('.').all(label) {
            return refused("domain: it must be labels of letters and digits, with dots between");
        }
        for (option, text) in
            [("organization", &self.organization), ("admin password", &self.password)]
        {
            if text.is_empty() || text.contains(['\n', '\r', '\0']) {
                return refused(&format!("{option}: it must be one line, and not empty"));
            }
        }
        Ok(())
    }

    fn base(&self) -> String {
        format!("dc={}", self.domain.replace('.', ",dc="))
    }
}

module!(OpenLdap => OpenLdapServer, "osixia/openldap", domain);

impl Module for OpenLdap {
    type Server = OpenLdapServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        self.check()?;
        for (number, entries) in self.entries.iter().enumerate() {
            let target = format!("{LDIF}/castoff-{number:03}.ldif");
            container = container.with_copy(entries.as_bytes(), target);
        }
        if container.spec().command.is_none() {
            // The image modifies these files, so it works on a copy.
            container = container.with_command(["--copy-service"]);
        }
        let admin = format!("cn=admin,{}", self.base());
        Ok(container
            .with_env("LDAP_DOMAIN", &self.domain)
            .with_env("LDAP_ORGANISATION", &self.organization)
            .with_env("LDAP_ADMIN_PASSWORD", &self.password)
            .with_env("LDAP_TLS", "false")
            .with_wait(wait(&admin, &self.password)))
    }

    async fn into_server(self, container: Container) -> Result<OpenLdapServer> {
        let base = self.base();
        Ok(OpenLdapServer {
            service: Service::new(container, PORT)?,
            base,
            password: self.password,
        })
    }
}

/// An OpenLDAP server, removed with its entries when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct OpenLdapServer {
    service: Service,
    base: String,
    password: String,
}

server!(OpenLdapServer, base);

impl OpenLdapServer {
    /// Returns the URL for a client on this machine: `ldap://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("ldap://{}", self.network_addr())
    }

    /// Returns the base of all entries: `dc=example,dc=org`.
    #[must_use]
    pub fn base_dn(&self) -> &str {
        &self.base
    }

    /// Returns the name of the administrator: `cn=admin,dc=example,dc=org`.
    #[must_use]
    pub fn admin_dn(&self) -> String {
        format!("cn=admin,{}", self.base)
    }

    /// Returns the administrator's password.
    #[must_use]
    pub fn admin_password(&self) -> &str {
        &self.password
    }

    /// Creates a unique organizational unit and returns its name:
    /// `ou=castoff-..,dc=example,dc=org`. It is removed with the server.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn unit(&self) -> Result<String> {
        let name = format!("ou=castoff-{},{}", token(), self.base);
        self.add(format!("dn: {name}\nobjectClass: organizationalUnit\n")).await?;
        Ok(name)
    }

    /// Adds entries as the administrator, as LDIF, with `ldapadd` in the container.
    ///
    /// # Errors
    /// Fails with the output of `ldapadd` if it fails. Entries before the failing one have been
    /// added.
    ///
    /// # Cancel safety
    /// They may be added even if the future is dropped.
    pub async fn add(&self, ldif: impl AsRef<str>) -> Result<()> {
        self.tool(&["ldapadd"], ldif.as_ref()).await.map(drop)
    }

    /// Finds entries under the base as the administrator, by a filter such as `(cn=ann)`, with
    /// `ldapsearch` in the container. Returns them as LDIF.
    ///
    /// # Errors
    /// Fails with the output of `ldapsearch` if it fails.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn search(&self, filter: impl AsRef<str>) -> Result<String> {
        let command =
            ["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", &self.base, filter.as_ref()];
        self.tool(&command, "").await
    }

    /// Runs one of the tools, bound as the administrator. The password is passed in a private file.
    async fn tool(&self, command: &[&str], input: &str) -> Result<String> {
        let lines = "file=$(mktemp) && trap 'rm -f \"$file\"' EXIT && printf %s \"$PASSWORD\" > \"$file\" \
             && tool=$1 admin=$2 && shift 2 \
             && \"$tool\" -x -H ldap://127.0.0.1 -D \"$admin\" -y \"$file\" \"$@\"";
        let (tool, arguments) = command.split_first().unwrap_or((&"", &[]));
        let admin = self.admin_dn();
        let shell = ["sh", "-c", lines, "sh", tool, &admin].into_iter();
        let run = self.container().exec(shell.chain(arguments.iter().copied()));
        let out = run.with_env("PASSWORD", &self.password).with_stdin(input).await?;
        Ok(out.ok()?.stdout_text().into_owned())
    }
}

/// Returns a wait for the server. As the image fills the directory with a temporary server, which
/// may answer as well, the wait first checks that this is over.
fn wait(admin: &str, password: &str) -> ProbeWait {
    let bind = bind(admin, password);
    WaitFor::probe(format!("OpenLDAP to let `{admin}` in"), move |target: WaitTarget| {
        let bind = bind.clone();
        async move {
            if !target.exec(["test", "-f", FILLED]).await?.success() {
                target.record_probe("the directory is being filled");
                return Ok(false);
            }
            let addr = target.addr(PORT)?;
            let asking = async {
                let mut stream = TcpStream::connect(addr).await?;
                result(&mut stream, &bind).await
            };
            let code = asking
                .await
                .map_err(|error| Error::new(ErrorKind::Io, addr.to_string()).with_source(error))?;
            target.record_probe(format!("a bind with result {code}"));
            Ok(code == 0)
        }
    })
}

/// Writes a simple bind (RFC 4511, section 4.2, in the encoding of its section 5.1).
fn bind(name: &str, password: &str) -> Vec<u8> {
    let version = value(0x02, &[3]);
    let who = [value(0x04, name.as_bytes()), value(0x80, password.as_bytes())].concat();
    let request = value(0x60, &[version, who].concat());
    value(0x30, &[value(0x02, &[1]), request].concat())
}

/// Writes a type, a length and a content. Lengths from 128 on have four bytes.
fn value(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut value = vec![kind];
    match u8::try_from(length) {
        Ok(short @ 0..128) => value.push(short),
        _ => value.extend([&[0x84][..], &length.to_be_bytes()].concat()),
    }
    value.extend_from_slice(content);
    value
}

/// Returns the result code of the answer to the first message.
async fn result(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
) -> io::Result<u8> {
    stream.write_all(request).await?;
    let other = || io::Error::new(io::ErrorKind::InvalidData, "an answer unlike LDAP's");
    // The message, its number, the response to a bind, and the code; each after its length.
    for kind in [0x30, 0x02, 0x61, 0x0a] {
        if stream.read_u8().await? != kind {
            return Err(other());
        }
        let length = stream.read_u8().await?;
        for _ in 0..if length > 0x80 { length & 0x7f } else { 0 } {
            stream.read_u8().await?;
        }
        if kind == 0x02 {
            stream.read_u8().await?;
        }
    }
    stream.read_u8().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_ber() {
        assert_eq!(
            bind("cn=a", "p"),
            b"\x30\x11\x02\x01\x01\x60\x0c\x02\x01\x03\x04\x04cn=a\x80\x01p"
        );
        assert_eq!(value(4, &[7; 200])[..6], [4, 0x84, 0, 0, 0, 200]);
    }

    #[tokio::test]
    async fn the_result_code_is_found_whatever_form_lengths_have() {
        for (sent, expected) in [
            (&b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"[..], Some(0)),
            (b"\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\x31\x04\0\x04\0", Some(49)),
            (b"HTTP/1.1 400 Bad Request\r\n", None),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(sent).await.unwrap();
            assert_eq!(result(&mut ours, b"").await.ok(), expected);
        }
    }

    #[test]
    fn what_can_not_be_is_named() {
        assert_eq!(OpenLdap::new().with_domain("shop.example").base(), "dc=shop,dc=example");
        for (module, option) in [
            (OpenLdap::new().with_domain("a..b"), "domain"),
            (OpenLdap::new().with_admin_password("a\nb"), "admin password"),
        ] {
            let error = module.configure(Container::builder("x")).err().unwrap();
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }
}

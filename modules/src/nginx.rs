//! An nginx web server: [`Nginx`] describes one, [`NginxServer`] is a handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Nginx;
//!
//! let web = Nginx::new().with_file("index.html", "<h1>hello</h1>").start().await?;
//! web.put("news.json", "[]").await?;
//! println!("open {}/news.json", web.url());
//! # Ok(())
//! # }
//! ```
//!
//! Several tests can share a server if each puts its files into a directory of its own: see
//! [`NginxServer::unique_path`].

use std::io;
use std::path::PathBuf;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, CopySource, Error, ErrorKind, Module, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::{Answer, text, until_ready};
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port that the server listens on in its container.
pub const PORT: u16 = 80;
/// The port that the server listens on for TLS.
#[cfg(feature = "tls")]
pub const TLS_PORT: u16 = 443;

const HTML: &str = "/usr/share/nginx/html";
const CONF: &str = "/etc/nginx/conf.d";

/// A description of an nginx server. Nothing happens before [`start`](Self::start).
///
/// By default: image `nginx:1` and its own page. It is ready when it answers a request, with any
/// status.
#[must_use = "nothing is started before `start()`"]
pub struct Nginx {
    container: ContainerBuilder,
    files: Vec<(String, File)>,
    config: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<Vec<String>>,
}

enum File {
    Bytes(Vec<u8>),
    Directory(PathBuf),
}

impl Nginx {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Nginx {
            container: Container::builder("nginx:1").with_port(PORT),
            files: Vec::new(),
            config: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Serves a file under this path: `index.html`, `api/items.json`.
    pub fn with_file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), File::Bytes(content.into())));
        self
    }

    /// Serves the files of a directory of this machine.
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.files.push((String::new(), File::Directory(directory.into())));
        self
    }

    /// Sets server blocks in nginx's own language, in place of the image's `default.conf`. They
    /// should listen on port 80, to which [`NginxServer::url`] leads.
    pub fn with_config_file(mut self, servers: impl Into<String>) -> Self {
        self.config = Some(servers.into());
        self
    }

    /// Serves the same by HTTPS as well, with a certificate for `localhost`, the loopback addresses and
    /// the container's name and aliases in its networks, signed by [`NginxServer::ca_certificate`]. Not together with
    /// [`with_config_file`](Self::with_config_file), which says all there is to say.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self.container = self.container.with_port(TLS_PORT);
        self
    }

    /// Adds names to the server's certificate, such as one that its clients resolve by themselves; the
    /// container's own are there already. Turns TLS on as [`with_tls`](Self::with_tls) does.
    #[cfg(feature = "tls")]
    pub fn with_tls_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tls.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self.with_tls()
    }
}

module!(Nginx => NginxServer, "nginx");

impl Module for Nginx {
    type Server = NginxServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        for (path, file) in &self.files {
            container = match file {
                File::Bytes(bytes) => {
                    let target = format!("{HTML}/{}", confined(path)?);
                    container.with_copy(CopySource::bytes(bytes.clone()), target)
                }
                File::Directory(directory) => {
                    container.with_copy(CopySource::path(directory.join(".")), HTML)
                }
            };
        }
        if let Some(config) = &self.config {
            container = container.with_copy(config.as_bytes(), format!("{CONF}/default.conf"));
        }
        container = self.with_certificates(container)?;
        Ok(container.with_wait(wait()))
    }

    async fn into_server(self, container: Container) -> Result<NginxServer> {
        #[cfg(feature = "tls")]
        let ca = match self.tls {
            Some(_) => Some(crate::tls::authority(&container).await?),
            None => None,
        };
        Ok(NginxServer {
            service: Service::new(container, PORT)?,
            #[cfg(feature = "tls")]
            ca,
        })
    }
}

impl Nginx {
    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other one has to")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container)
    }

    #[cfg(feature = "tls")]
    fn with_certificates(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        use crate::tls::{Certificates, DIRECTORY, names};

        let Some(further) = &self.tls else { return Ok(container) };
        if self.config.is_some() {
            let what = "tls: the server blocks of `with_config_file` have to say it themselves";
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let config = format!(
            "server {{\n  listen {TLS_PORT} ssl;\n  ssl_certificate {DIRECTORY}/server.crt;\n  \
             ssl_certificate_key {DIRECTORY}/server.key;\n  location / {{ root {HTML}; index \
             index.html index.htm; }}\n}}\n"
        );
        let container = container.with_copy(config.as_bytes(), format!("{CONF}/castoff-tls.conf"));
        // The master process reads the key, as root.
        let names = names(container.spec(), further);
        Ok(Certificates::generate(&names)?.copy_into(container, &names, (0, 0)))
    }
}

/// An nginx server, removed when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct NginxServer {
    service: Service,
    #[cfg(feature = "tls")]
    ca: Option<String>,
}

server!(NginxServer);

impl NginxServer {
    /// Returns the URL for a client on this machine, without a slash at its end:
    /// `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.container().name())
    }

    /// Returns the HTTPS URL if the server speaks TLS by [`with_tls`](Nginx::with_tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn https_url(&self) -> Option<String> {
        let addr = self.container().addr(TLS_PORT).ok().filter(|_| self.ca.is_some())?;
        Some(format!("https://{addr}"))
    }

    /// Returns the certificate, in PEM, of the authority that signed the server's; `None` without
    /// [`with_tls`](Nginx::with_tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Returns a unique path for the files of one test: `castoff-` and twelve characters.
    #[must_use]
    pub fn unique_path(&self) -> String {
        format!("castoff-{}", token())
    }

    /// Serves a file under this path from now on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a path outside of the served directory. Also fails if the
    /// file can't be copied.
    ///
    /// # Cancel safety
    /// The file may exist even if the future is dropped.
    pub async fn put(&self, path: impl AsRef<str>, content: impl Into<Vec<u8>>) -> Result<()> {
        let target = format!("{HTML}/{}", confined(path.as_ref())?);
        self.container().copy_to(CopySource::bytes(content), target).await
    }

    /// Takes other server blocks from now on, as [`with_config_file`](Nginx::with_config_file) does, once it
    /// has found them to be right.
    ///
    /// # Errors
    /// With what nginx says of them when they are wrong; it then serves as before.
    ///
    /// # Cancel safety
    /// It may take them when the future is dropped.
    pub async fn reload(&self, servers: impl Into<String>) -> Result<()> {
        let config = format!("{CONF}/default.conf");
        let before = self.container().read_file(&config).await?;
        self.container().copy_to(CopySource::bytes(servers.into()), config.as_str()).await?;
        let tested = self.container().exec(["nginx", "-t"]).await?;
        if !tested.success() {
            self.container().copy_to(CopySource::bytes(before), config.as_str()).await?;
            let said = tested.stderr_text().trim().to_owned();
            return Err(Error::new(ErrorKind::InvalidInput, format!("config: {said}")));
        }
        self.container().exec(["nginx", "-s", "reload"]).await?.ok().map(drop)
    }
}

/// Returns a path below the served directory.
fn confined(path: &str) -> Result<&str> {
    let path = path.trim_start_matches('/');
    let bad = |part: &str| part.is_empty() || part == ".." || part == "." || part.contains('\0');
    if path.split('/').any(bad) {
        let what = format!("path: `{path}` is no file below the directory that is served");
        return Err(Error::new(ErrorKind::InvalidInput, what));
    }
    Ok(path)
}

fn wait() -> ProbeWait {
    until_ready(
        "nginx to answer".into(),
        PORT,
        |mut stream| async move { answer(&mut stream).await },
    )
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Answer> {
    stream.write_all(b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await?;
    let said = text(&head);
    let ready = said.starts_with("HTTP/1.");
    Ok(if ready { Answer::Ready(said) } else { Answer::NotYet(said) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_where_they_belong() {
        assert_eq!(confined("/api/items.json").unwrap(), "api/items.json");
        for path in ["../conf.d/x.conf", "", "a//b", "a/./b", "a/\0"] {
            let error = confined(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
        let server = Nginx::new().with_file("../x", "y");
        assert!(server.configure(Container::builder("x")).is_err());
    }

    #[tokio::test]
    async fn any_http_answer_will_do() {
        for (sent, ready) in [("HTTP/1.1 404 Not Found\r\n", true), ("SSH-2.0-x\r\n ", false)] {
            let (mut ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(sent.as_bytes()).await.unwrap();
            let answer = answer(&mut ours).await.unwrap();
            assert_eq!(matches!(answer, Answer::Ready(_)), ready, "{sent}");
        }
    }
}

//! One request to one host, and its answer.
//!
//! Each request has a client of its own: no connection stays open that a fork would share or that
//! outlives a runtime. TLS is configured here, with ring: reqwest would take the process-wide
//! crypto provider, which is not a library's to set, or bring aws-lc, which needs a C compiler.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response, Url};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::url::{authority, is_loopback};
use crate::error::{Error, ErrorKind, Result};

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The time for one step: to connect, to answer, to send the next piece.
    pub(super) step: Duration,
    /// The time for the whole request, however steadily the answer comes.
    pub(super) total: Duration,
    /// The size of the answer's body, in bytes.
    pub(super) bytes: usize,
}

impl Limits {
    /// Creates limits of 30 s for a step, 120 s in all, and this number of bytes.
    pub(super) const fn bytes(bytes: usize) -> Limits {
        Limits { step: Duration::from_secs(30), total: Duration::from_secs(120), bytes }
    }
}

/// An answer that was read in full.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request, through the proxy that the environment names for its host, and reads the
/// answer. Trusts `certificates` in addition to the system's.
pub(super) async fn send(
    request: Request,
    certificates: &[Bytes],
    limits: Limits,
) -> Result<Answer> {
    let place = authority(request.url());
    let client = client(request.url(), certificates, limits).await?;
    let failed = |error: reqwest::Error| {
        let (kind, message) = if error.is_timeout() {
            let Limits { step, total, .. } = limits;
            let message = format!(
                "the registry {place} did not answer within {step:?}, or not in full within {total:?}"
            );
            (ErrorKind::Timeout, message)
        } else if error.is_body() || error.is_decode() {
            (ErrorKind::Connection, format!("the answer of the registry {place} broke off"))
        } else {
            (ErrorKind::Connection, format!("the connection to the registry {place} failed"))
        };
        // A URL that a registry redirects to may have a signature in it.
        Error::new(kind, message).with_source(error.without_url())
    };
    let response = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let Some(body) = read(response, limits.bytes).await.map_err(failed)? else {
        let message =
            format!("the registry {place} answered with more than {} bytes", limits.bytes);
        return Err(Error::new(ErrorKind::Protocol, message));
    };
    Ok(Answer { status, headers, body })
}

/// Reads a body in full; returns `None` if it has more than `limit` bytes.
async fn read(mut response: Response, limit: usize) -> reqwest::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

/// Creates the client for a URL. It follows no redirects, since [`Registry::call`] decides where
/// the login goes, and decodes nothing, whatever features others enable: a digest is that of the
/// bytes as they were sent.
///
/// [`Registry::call`]: super::Registry::call
async fn client(url: &Url, certificates: &[Bytes], limits: Limits) -> Result<Client> {
    let local = is_loopback(url);
    let roots = if local && url.scheme() == "http" {
        RootCertStore::empty()
    } else {
        let certificates = certificates.to_vec();
        // The system's certificates are read from files.
        let reading = tokio::task::spawn_blocking(move || roots(&certificates));
        reading.await.map_err(|error| set_up("TLS").with_source(error))??
    };
    let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| set_up("TLS").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("castoff/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .pool_max_idle_per_host(0)
        .connect_timeout(limits.step)
        .read_timeout(limits.step)
        .timeout(limits.total);
    // A proxy could read what is sent to this machine without TLS.
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| set_up("the HTTP client").with_source(error))
}

fn set_up(what: &str) -> Error {
    Error::other(format!("{what} can't be set up"))
}

/// Returns the system's certificates and these.
fn roots(certificates: &[Bytes]) -> Result<RootCertStore> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = match SYSTEM.get() {
        Some(roots) => roots.clone(),
        None => {
            let (roots, is_whole) = system();
            // Certificates that could not be read now, for lack of descriptors for example, are
            // read next time.
            if is_whole { SYSTEM.get_or_init(|| roots).clone() } else { roots }
        }
    };
    for pem in certificates {
        let invalid = |message: &str| Error::invalid("certificate", message.to_owned());
        let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| {
            invalid("it is no PEM").with_source(std::io::Error::other(error.to_string()))
        })?;
        if found.is_empty() {
            return Err(invalid("there is none in the PEM"));
        }
        for one in found {
            roots.add(one).map_err(|error| invalid("it can't be trusted").with_source(error))?;
        }
    }
    Ok(roots)
}

/// Reads the system's certificates: some hundred, so they are kept. Also returns whether all could
/// be read.
fn system() -> (RootCertStore, bool) {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::debug!(%error, "certificates of the system can't be read");
    }
    roots.add_parsable_certificates(loaded.certs);
    (roots, loaded.errors.is_empty())
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Requests from a server that answers as `answer` does, within `limits`.
    async fn ask<F>(limits: Limits, answer: impl FnOnce(TcpStream) -> F) -> Result<Answer>
    where
        F: Future<Output = ()>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x?signature=s3cret", listener.local_addr().unwrap());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            answer(stream).await;
            // The client decides when to stop.
            std::future::pending().await
        };
        let request = Request::new(Method::GET, url.parse().unwrap());
        tokio::select! {
            answer = send(request, &[], limits) => answer,
            () = serving => unreachable!(),
        }
    }

    #[tokio::test]
    async fn an_answer_that_stops_half_way_is_given_up() {
        let limits = Limits { step: Duration::from_millis(50), total: HOUR, bytes: 100 };
        let stopping = async |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
            std::future::pending().await
        };
        let error = ask(limits, stopping).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(error.to_string().contains("127.0.0.1:"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_comes_for_ever_is_given_up() {
        let limits = Limits { step: HOUR, total: Duration::from_millis(50), bytes: 1 << 40 };
        let dripping = async |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(b".").await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let error = ask(limits, dripping).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error_without_the_url() {
        let breaking = async |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
        };
        let error = ask(Limits::bytes(100), breaking).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        assert!(error.to_string().ends_with("broke off"), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_encoded_stays_so() {
        let encoded = async |mut stream: TcpStream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
            stream.write_all(head.as_bytes()).await.unwrap();
        };
        assert_eq!(ask(Limits::bytes(3), encoded).await.unwrap().body, "abc");
    }
}

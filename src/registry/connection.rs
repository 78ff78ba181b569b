//! One request to one host.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::url::Url;
use crate::error::{Cause, Error, ErrorKind, Result};

/// How long a step of a request may take: to connect, to answer, to send the next piece.
const LIMIT: Duration = Duration::from_secs(30);

/// How long all of a request may take, however steadily its answer comes: what is read has 4 MiB at
/// most.
const TOTAL: Duration = Duration::from_secs(120);

/// An answer that was read to its end.
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

/// Sends a request, trusting the certificates besides the system's. More than `limit` bytes are refused,
/// and so is an answer that takes longer than two minutes.
pub(super) async fn send(
    url: &Url,
    request: Request<Full<Bytes>>,
    certificates: &[Bytes],
    limit: usize,
) -> Result<Answer> {
    finished(&url.authority(), TOTAL, send_and_read(url, request, certificates, limit)).await
}

/// Bounds all of a request.
async fn finished<T>(
    place: &str,
    total: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(total, work).await.unwrap_or_else(|_| {
        let message = format!("the registry {place} had not answered in full after {total:?}");
        Err(Error::new(ErrorKind::Timeout, message))
    })
}

async fn send_and_read(
    url: &Url,
    request: Request<Full<Bytes>>,
    certificates: &[Bytes],
    limit: usize,
) -> Result<Answer> {
    let place = url.authority();
    let failed = |error: Cause| {
        let message = format!("the connection to the registry {place} failed");
        Error::new(ErrorKind::Connection, message).with_source(error)
    };
    let address = (url.host.as_str(), url.port);
    let stream = within(&place, TcpStream::connect(address)).await?;
    let stream = stream.map_err(|error| failed(error.into()))?;
    let response = if url.tls {
        let name = ServerName::try_from(url.host.clone()).map_err(|error| failed(error.into()))?;
        let certificates = certificates.to_vec();
        // The system's certificates are read from files.
        let setting_up = tokio::task::spawn_blocking(move || tls(&certificates));
        let connector =
            TlsConnector::from(setting_up.await.map_err(|error| failed(error.into()))??);
        let stream = within(&place, connector.connect(name, stream)).await?;
        exchange(&place, stream.map_err(|error| failed(error.into()))?, request).await?
    } else {
        exchange(&place, stream, request).await?
    };
    let response = response.map_err(|error| failed(error.into()))?;
    read(&place, response, limit).await
}

type Received = std::result::Result<(Response<Incoming>, Connection), hyper::Error>;

/// The connection lives as long as the answer is read.
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(
    place: &str,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Received> {
    let exchanging = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Connection(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a registry's connection ended");
            }
        }));
        Ok((sender.send_request(request).await?, connection))
    };
    within(place, exchanging).await
}

async fn read(
    place: &str,
    (response, connection): (Response<Incoming>, Connection),
    limit: usize,
) -> Result<Answer> {
    let (head, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    while let Some(frame) = within(place, body.frame()).await? {
        let frame = frame.map_err(|error| {
            let message = format!("the answer of the registry {place} broke off");
            Error::new(ErrorKind::Connection, message).with_source(error)
        })?;
        if let Ok(piece) = frame.into_data() {
            if read.len() + piece.len() > limit {
                let message = format!("the registry {place} answered with more than {limit} bytes");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
            read.extend_from_slice(&piece);
        }
    }
    drop(connection);
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: read.freeze() })
}

async fn within<T>(place: &str, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(LIMIT, work).await.map_err(|_| {
        let message = format!("the registry {place} did not answer within {LIMIT:?}");
        Error::new(ErrorKind::Timeout, message)
    })
}

/// The system's certificates and these.
fn tls(certificates: &[Bytes]) -> Result<Arc<ClientConfig>> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = match SYSTEM.get() {
        Some(roots) => roots.clone(),
        None => {
            let (roots, is_whole) = system();
            // What could not be read now, for want of descriptors for example, is read next time.
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
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::other("TLS can't be set up").with_source(error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Read once, as it is a file of some hundred certificates; also says whether all could be read.
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
    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_for_ever_is_given_up() {
        let forever = std::future::pending::<Result<()>>();
        let error = finished("r.example", Duration::from_millis(1), forever).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("r.example"), "{error}");
    }
}

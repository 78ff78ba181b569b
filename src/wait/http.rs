//! [`HttpWait`]: waits until an HTTP request gets the wanted response.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::probe::with_causes;
#[cfg(feature = "https")]
use super::tls::{Tls, Trust};
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{IntoPort, Port};

/// Default limit for one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// Limit for a pause in a response's body, after which the bytes received so far are tested.
const BODY_PAUSE: Duration = Duration::from_millis(200);
/// Limit for the bytes of a response's body that are read.
const BODY_LIMIT: usize = 1024 * 1024;

/// A connection for HTTP, in plain or over TLS.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type BodyTest = dyn Fn(&[u8]) -> bool + Send + Sync;
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A wait for an HTTP request to get the wanted response; made by [`WaitFor::http`].
///
/// The request is HTTP/1.1, in plain or over TLS (feature `https`). It is sent from the host to a
/// published port: the only one, or the one set by [`with_port`](Self::with_port).
#[derive(Clone)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct HttpWait {
    port: Option<Result<Port>>,
    path: String,
    method: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    statuses: Vec<RangeInclusive<u16>>,
    body_test: Option<Arc<BodyTest>>,
    request_limit: Duration,
    identity: Option<String>,
    #[cfg(feature = "https")]
    tls: Option<Tls>,
}

impl HttpWait {
    pub(super) fn new(path: String) -> Self {
        HttpWait {
            port: None,
            path,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            statuses: Vec::new(),
            body_test: None,
            request_limit: REQUEST_LIMIT,
            identity: None,
            #[cfg(feature = "https")]
            tls: None,
        }
    }

    /// Sets the container's port. Default: the only published TCP port.
    pub fn with_port(mut self, port: impl IntoPort) -> Self {
        self.port = Some(port.into_port());
        self
    }

    /// Sets the request's method. Default: `GET`.
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Adds a header of the request.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the request's body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Bytes::from(body.into());
        self
    }

    /// Adds an accepted status. May be called several times. Default: 200 to 399.
    pub fn with_status(self, status: u16) -> Self {
        self.with_statuses(status..=status)
    }

    /// Adds a range of accepted statuses. May be called several times. Default: 200 to 399.
    pub fn with_statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.statuses.push(statuses);
        self
    }

    /// Sets a test that the response's body must pass as well.
    ///
    /// The test gets at most the first 1 MiB of a body. It runs at the body's end, whenever the
    /// body pauses for 200 ms, and when the request's time is up, so an endless body (server-sent
    /// events) can pass as well.
    pub fn with_body_test(mut self, test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.body_test = Some(Arc::new(test));
        self
    }

    /// Sets the limit for one request and its response, after which another is sent. Default: 5 s.
    pub fn with_request_timeout(mut self, limit: Duration) -> Self {
        self.request_limit = limit;
        self
    }

    /// Connects over TLS and accepts any certificate, as a server in a test mostly has a
    /// self-signed one. The requested server name is `localhost`, unless another is set.
    #[cfg(feature = "https")]
    pub fn with_any_certificate(self) -> Self {
        self.trusting(Trust::Anybody)
    }

    /// Connects over TLS and trusts these PEM certificates only. The server's own must contain the
    /// name `localhost`, unless another is set. Invalid PEM is an error of the container's start.
    #[cfg(feature = "https")]
    pub fn with_ca(self, pem: impl Into<Vec<u8>>) -> Self {
        self.trusting(Trust::Only(Bytes::from(pem.into())))
    }

    /// Sets the name, or IP, in the server's certificate. Connects over TLS, and accepts any
    /// certificate unless [`with_ca`](Self::with_ca) restricts that. Default: `localhost`.
    #[cfg(feature = "https")]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.get_or_insert_with(|| Tls::new(Trust::Anybody)).name = name.into();
        self
    }

    #[cfg(feature = "https")]
    fn trusting(mut self, trust: Trust) -> Self {
        match &mut self.tls {
            Some(tls) => tls.trust = trust,
            none => *none = Some(Tls::new(trust)),
        }
        self
    }

    /// Connects to the server, over TLS if that is set.
    async fn connect(&self, address: SocketAddr) -> std::result::Result<Box<dyn Duplex>, Cause> {
        let stream = TcpStream::connect(address).await?;
        #[cfg(feature = "https")]
        if let Some(tls) = &self.tls {
            return Ok(Box::new(tls.connect(stream).await?));
        }
        Ok(Box::new(stream))
    }

    fn tls_fingerprint(&self) -> Option<String> {
        #[cfg(feature = "https")]
        return self.tls.as_ref().map(Tls::fingerprint);
        #[cfg(not(feature = "https"))]
        None
    }

    /// Sets a name that identifies the body test. Closures can't be compared: without a name,
    /// everyone who joins a [shared](crate::ContainerBuilder::shared) container waits for this
    /// condition again.
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }

    fn accepts(&self, status: u16) -> bool {
        match self.statuses.as_slice() {
            [] => (200..400).contains(&status),
            ranges => ranges.iter().any(|range| range.contains(&status)),
        }
    }

    fn request(&self, host: &str) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).map_err(|e| bad("method", e))?)
            .uri(&self.path)
            .header(CONNECTION, "close");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(HOST, host);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).map_err(|e| bad("request", e))
    }

    /// Returns the address for the request; `None` while the container is between two runs.
    fn address(&self, target: &WaitTarget) -> Result<Option<SocketAddr>> {
        if let Some(port) = &self.port {
            return target.addr_of_run(port.clone()?);
        }
        match target.tcp_ports().as_slice() {
            [port] => target.addr_of_run(*port),
            [] if target.is_restarted() && !target.details().state.running => Ok(None),
            [] => Err(Error::new(
                ErrorKind::PortNotPublished,
                "no port to send the request to: none is published",
            )),
            several => {
                let list: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(Error::invalid(
                    "wait",
                    format!("several ports are published ({}): name one", list.join(", ")),
                ))
            }
        }
    }

    /// Sends one request; returns a description of the response if it is not as wanted.
    async fn probe(
        &self,
        address: SocketAddr,
        until: Instant,
    ) -> std::result::Result<Option<String>, Cause> {
        let stream = self.connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = self.request(&address.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            if !self.accepts(status) {
                return Ok(Some(format!("status {status}")));
            }
            let Some(test) = &self.body_test else { return Ok(None) };
            let (passes, length) = judged(answer.into_body(), &**test, until).await?;
            Ok((!passes).then(|| format!("status {status}, a body of {length} bytes fails")))
        };
        // The connection has to be polled during the exchange, and ends with it.
        let connection = std::pin::pin!(connection);
        let exchange = std::pin::pin!(exchange);
        match futures_util::future::select(exchange, connection).await {
            futures_util::future::Either::Left((outcome, _)) => outcome,
            futures_util::future::Either::Right((ended, exchange)) => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// Returns whether a body passes the test, and how many bytes of it were tested.
async fn judged(
    mut body: Incoming,
    test: &BodyTest,
    until: Instant,
) -> std::result::Result<(bool, usize), Cause> {
    let mut seen = Vec::new();
    let mut judged = None;
    while seen.len() < BODY_LIMIT && Instant::now() < until {
        let pause = until.min(Instant::now() + BODY_PAUSE);
        match tokio::time::timeout_at(pause, body.frame()).await {
            Ok(None) => break,
            Ok(Some(frame)) => {
                if let Ok(bytes) = frame?.into_data() {
                    let room = BODY_LIMIT - seen.len();
                    seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            }
            Err(_) if judged == Some(seen.len()) => {}
            Err(_) => {
                if test(&seen) {
                    return Ok((true, seen.len()));
                }
                judged = Some(seen.len());
            }
        }
    }
    Ok((test(&seen), seen.len()))
}

fn bad(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid("wait", format!("the HTTP {what} can't be sent")).with_source(error)
}

impl fmt::Debug for HttpWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold secrets.
        f.debug_struct("HttpWait")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl WaitStrategy for HttpWait {
    fn fingerprint(&self) -> Option<String> {
        let test = match (&self.body_test, &self.identity) {
            (Some(_), None) => return None,
            (Some(_), Some(identity)) => Some(identity),
            (None, _) => None,
        };
        let tls = self.tls_fingerprint();
        let Self { port, path, method, headers, body, statuses, .. } = self;
        let request = format!("{port:?} {tls:?} {method:?} {path:?} {headers:?} {body:?}");
        Some(format!("http {request} {statuses:?} {test:?}"))
    }

    fn describe(&self) -> String {
        let port = match &self.port {
            Some(Ok(port)) => format!(" on port {port}"),
            _ => String::new(),
        };
        format!("HTTP {} {}{port}", self.method, self.path)
    }

    fn check(&self) -> Result<()> {
        if !self.path.starts_with('/') {
            let message = format!("the HTTP path `{}` does not begin with `/`", self.path);
            return Err(Error::invalid("wait", message));
        }
        if let Some(Err(error)) = &self.port {
            return Err(error.clone());
        }
        #[cfg(feature = "https")]
        if let Some(tls) = &self.tls {
            tls.check()?;
        }
        self.request("localhost").map(drop)
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                let Some(address) = self.address(target)? else {
                    backoff.pause().await;
                    continue;
                };
                let until = Instant::now() + self.request_limit;
                // `judged` ends by itself at `until`, and tests the bytes received so far.
                let probe = tokio::time::timeout_at(until + BODY_PAUSE, self.probe(address, until));
                match probe.await {
                    Ok(Ok(None)) => return Ok(()),
                    Ok(Ok(Some(seen))) => target.record_probe(format!("{address}: {seen}")),
                    Ok(Err(error)) => {
                        target.record_probe(format!("{address}: {}", with_causes(error.as_ref())));
                    }
                    Err(_) => {
                        let error = io::Error::from(io::ErrorKind::TimedOut);
                        target.record_probe(format!("{address}: {error}"));
                    }
                }
                backoff.pause().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_default_to_success_and_redirects() {
        let any = WaitFor::http("/");
        assert!(any.accepts(200) && any.accepts(302) && !any.accepts(404) && !any.accepts(500));
        let some = WaitFor::http("/").with_status(401).with_statuses(500..=503);
        assert!(some.accepts(401) && some.accepts(502) && !some.accepts(200));
    }

    #[test]
    fn what_can_not_be_sent_is_said_beforehand() {
        assert!(WaitFor::http("/ok").check().is_ok());
        assert!(WaitFor::http("no-slash").check().is_err());
        assert!(WaitFor::http("/").with_method("B AD").check().is_err());
        assert!(WaitFor::http("/").with_header("a b", "c").check().is_err());
        assert!(WaitFor::http("/").with_port(0).check().is_err());
    }

    #[test]
    fn debug_shows_no_header() {
        let wait = WaitFor::http("/").with_header("Authorization", "Bearer s3cret");
        assert!(!format!("{wait:?}").contains("s3cret"));
    }
}

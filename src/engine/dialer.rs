//! The one dialer: every byte to and from an engine goes through a connection made here.

use std::io;
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Endpoint;

/// How long a connection may take to come about. Requests have limits of their own.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// A byte stream to an engine.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    endpoint: Endpoint,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Dialer { endpoint }
    }

    async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            match &self.endpoint {
                #[cfg(unix)]
                Endpoint::Unix(path) => {
                    let stream = tokio::net::UnixStream::connect(path).await?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }
                #[cfg(not(unix))]
                Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
                Endpoint::Tcp { host, port } => {
                    let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }
            }
        };
        tokio::time::timeout(CONNECT_LIMIT, connecting)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Sends one request on a connection of its own.
    ///
    /// A connection per call costs tens of microseconds on a socket, and buys that no call waits
    /// for another's answer and that no connection is tied to a runtime that may be gone.
    ///
    /// # Cancel safety
    /// Dropping the future, or later the answer's body, closes the connection.
    pub(super) async fn send(
        &self,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, BollardError> {
        let stream = self.dial().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to the engine ended");
            }
        });
        let host = match &self.endpoint {
            Endpoint::Unix(_) => HeaderValue::from_static("localhost"),
            Endpoint::Tcp { host, port } => HeaderValue::try_from(format!("{host}:{port}"))
                .unwrap_or(HeaderValue::from_static("localhost")),
        };
        request.headers_mut().insert(HOST, host);
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
        Ok(sender.send_request(request).await?)
    }
}

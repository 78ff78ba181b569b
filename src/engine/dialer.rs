//! [`Dialer`]: makes every connection to an engine.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body_util::{Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

use super::Endpoint;
#[cfg(unix)]
use crate::forks::UnsharedStream;

/// Limit for making a connection. Requests have limits of their own.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// A byte stream to an engine.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A factory of connections to one endpoint.
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
                    Ok(Box::new(UnsharedStream::new(stream)) as Box<dyn Stream>)
                }
                #[cfg(not(unix))]
                Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
                Endpoint::Tcp { host, port } => {
                    let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    #[cfg(unix)]
                    let stream = UnsharedStream::new(stream);
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
        request: BollardRequest,
    ) -> Result<Response<Incoming>, BollardError> {
        self.exchange(request).await
    }

    /// Sends one request like [`send`](Self::send), with a body of any type.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub(super) async fn exchange<B>(
        &self,
        mut request: Request<B>,
    ) -> Result<Response<Incoming>, BollardError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.dial().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to the engine ended");
            }
        });
        self.address(&mut request);
        Ok(sender.send_request(request).await?)
    }

    /// Sends one request without a body, and lets the reader of the answer drive the connection.
    ///
    /// For answers of many small chunks, such as logs: a task that drives the connection would cost
    /// two task switches and a poll of the reactor for every chunk.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub(super) async fn stream(&self, path: &str) -> Result<(StatusCode, Chunks), BollardError> {
        let uri: Uri = path.parse().map_err(hyper::http::Error::from)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri;
        self.address(&mut request);
        let stream = self.dial().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut connection: Connection = Box::pin(connection);
        let answer = {
            let asking = std::pin::pin!(sender.send_request(request));
            match select(asking, &mut connection).await {
                Either::Left((answer, _)) => answer?,
                Either::Right((ended, asking)) => {
                    ended?;
                    asking.await?
                }
            }
        };
        let (head, body) = answer.into_parts();
        Ok((head.status, Chunks { body, connection: Some(connection) }))
    }

    /// Upgrades a connection to another protocol and returns it.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    #[cfg(feature = "buildkit")]
    pub(super) async fn hijack(
        &self,
        path: &'static str,
        headers: &[(&'static str, String)],
    ) -> Result<Upgraded, BollardError> {
        let mut request = Request::post(path).header("Upgrade", "h2c");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.upgrade(request, Bytes::new()).await
    }

    /// Connects for gRPC, which engines of API 1.53 and newer speak without an upgrade.
    #[cfg(feature = "buildkit")]
    pub(super) async fn grpc(&self) -> io::Result<Box<dyn Stream>> {
        self.dial().await
    }

    /// Requests the raw streams of a container or a command, and returns both directions.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(super) async fn raw(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(Received, WriteHalf<TokioIo<Upgraded>>), BollardError> {
        let mut request = Request::post(path).header("Upgrade", "tcp");
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let connection = self.upgrade(request, Bytes::from(body)).await?;
        let (read, write) = tokio::io::split(TokioIo::new(connection));
        Ok((Received { read, buffer: BytesMut::new() }, write))
    }

    async fn upgrade(
        &self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Upgraded, BollardError> {
        let request = request.header("Connection", "Upgrade");
        let request = request.body(Full::new(body)).map_err(BollardError::from)?;
        let answer = self.exchange(request).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(hyper::upgrade::on(answer).await?);
        }
        let status_code = answer.status().as_u16();
        let text = http_body_util::BodyExt::collect(answer.into_body()).await;
        let text = text.map(|body| body.to_bytes()).unwrap_or_default();
        let message = super::failure::words(&text);
        Err(BollardError::DockerResponseServerError { status_code, message })
    }

    /// Sets the parts of a request that a server expects: the path alone, and a host.
    fn address<B>(&self, request: &mut Request<B>) {
        let host = match &self.endpoint {
            Endpoint::Unix(_) => HeaderValue::from_static("localhost"),
            Endpoint::Tcp { host, port } => HeaderValue::try_from(format!("{host}:{port}"))
                .unwrap_or(HeaderValue::from_static("localhost")),
        };
        request.headers_mut().insert(HOST, host);
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
    }
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// The body of an answer in the chunks that the engine sends.
pub(super) struct Chunks {
    body: Incoming,
    /// The connection; `None` once it has ended.
    connection: Option<Connection>,
}

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, BollardError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // The connection yields one chunk at a time, and wakes this task when it may have
            // another.
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(ended) = connection.as_mut().poll(context)
            {
                self.connection = None;
                if let Err(error) = ended {
                    // The body reports the error as well.
                    tracing::debug!(%error, "connection to the engine ended");
                }
            }
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => {
                    // Frames of another kind are trailers.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}

/// The number of bytes to read at once from a raw stream.
const READ_AT_ONCE: usize = 64 * 1024;

/// The bytes that arrive on a raw stream, in chunks of any length.
pub(super) struct Received {
    read: ReadHalf<TokioIo<Upgraded>>,
    buffer: BytesMut,
}

impl futures_core::Stream for Received {
    type Item = Result<Bytes, BollardError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Received { read, buffer } = &mut *self;
        buffer.resize(READ_AT_ONCE, 0);
        let mut space = ReadBuf::new(buffer);
        let outcome = std::task::ready!(Pin::new(read).poll_read(context, &mut space));
        let length = space.filled().len();
        Poll::Ready(match outcome {
            Ok(()) if length == 0 => None,
            Ok(()) => Some(Ok(buffer.split_to(length).freeze())),
            Err(error) => Some(Err(error.into())),
        })
    }
}

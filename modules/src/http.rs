//! An HTTP/1.1 request and its response, for the admin interfaces of servers.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Error, ErrorKind, Result, WaitFor};
use http_body_util::{BodyExt, Full, Limited};
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::background;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Limit for the time of a response.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit for the length of a response, in bytes.
const LONGEST: usize = 8 << 20;

/// A request to a server.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// The server's response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// Creates a response without headers, for tests.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Response { status, headers: HeaderMap::new(), body: body.to_owned() }
    }

    /// Returns the first header with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Request { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds credentials (RFC 7617).
    pub(crate) fn with_basic_auth(self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.with_header("Authorization", format!("Basic {credentials}"))
    }

    pub(crate) fn with_json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self.with_header("Content-Type", "application/json")
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    /// Sends the request, and reads the response to its end.
    pub(crate) async fn send(&self, addr: SocketAddr) -> Result<Response> {
        let answer = timeout(PATIENCE, self.exchange(addr)).await;
        answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())).map_err(
            |error| {
                let what = format!("{} {} at {addr}", self.method, self.path);
                Error::new(ErrorKind::Io, what).with_source(error)
            },
        )
    }

    /// Sends the request like [`send`](Self::send), but any status except 2xx is an error with the
    /// body.
    pub(crate) async fn send_ok(&self, addr: SocketAddr) -> Result<Response> {
        let answer = self.send(addr).await?;
        if !(200..300).contains(&answer.status) {
            let (method, path, status) = (self.method, &self.path, answer.status);
            return Err(Error::other(format!("{method} {path}: {status}: {}", answer.body)));
        }
        Ok(answer)
    }

    /// Sends the request on the background thread, for the cleanup in a `Drop`. The outcome is
    /// ignored.
    pub(crate) fn send_in_background(self, addr: SocketAddr) {
        // Without a thread it is not sent.
        if let Ok(thread) = background::thread() {
            // Waits for the response: the server may drop the request if the connection closes
            // before.
            thread.spawn(async move { self.send(addr).await });
        }
    }

    async fn exchange(&self, addr: SocketAddr) -> std::result::Result<Response, Cause> {
        let request = self.built()?;
        let stream = TcpStream::connect(addr).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answering = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
        };
        let mut answering = pin!(answering);
        // The connection must be driven while the response is read, and may end before that.
        tokio::select! {
            answer = &mut answering => answer,
            _ = connection => answering.await,
        }
    }

    fn built(&self) -> hyper::http::Result<hyper::Request<Full<Bytes>>> {
        let mut request = hyper::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header(HOST, "localhost")
            .header(CONNECTION, "close")
            .header(ACCEPT, "*/*");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::from(self.body.clone()))
    }
}

/// Returns a wait that repeats a request until a response is accepted.
pub(crate) fn until_answer(
    what: impl Into<String>,
    port: u16,
    request: Request,
    will_do: impl Fn(&Response) -> bool + Clone + Send + Sync + 'static,
) -> ProbeWait {
    WaitFor::probe(what.into(), move |target: WaitTarget| {
        let (request, will_do) = (request.clone(), will_do.clone());
        async move {
            let answer = request.send(target.addr(port)?).await?;
            let shown: String = answer.body.chars().take(200).collect();
            target.record_probe(format!("{}: {shown}", answer.status));
            Ok(will_do(&answer))
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    /// Starts a server that sends one response and keeps the connection open, unless `close` is
    /// set. Returns what it received, to the end of `last`.
    async fn server(
        answer: impl Into<Vec<u8>>,
        close: bool,
        last: &'static str,
    ) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answer = answer.into();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(last.as_bytes()) {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            // The client may have given up.
            let _ = stream.write_all(&answer).await;
            if !close {
                let _ = stream.read_buf(&mut Vec::new()).await;
            }
            String::from_utf8(asked).unwrap()
        });
        (addr, serving)
    }

    async fn answered(answer: impl Into<Vec<u8>>, close: bool) -> Result<Response> {
        let (addr, _) = server(answer, close, "\r\n\r\n").await;
        Request::new("GET", "/").send(addr).await
    }

    #[tokio::test]
    async fn a_request_has_its_headers_and_its_length() {
        let (addr, asked) = server(b"HTTP/1.1 204 No\r\n\r\n", false, "{}").await;
        let request = Request::new("PUT", "/a").with_basic_auth("u", "p").with_json("{}");
        assert_eq!(request.send(addr).await.unwrap().status, 204);
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("PUT /a HTTP/1.1\r\nhost: localhost\r\n"), "{asked}");
        for header in ["connection: close", "authorization: Basic dTpw", "content-length: 2"] {
            assert!(asked.contains(&format!("\r\n{header}\r\n")), "{asked}");
        }
        assert!(asked.ends_with("\r\n\r\n{}"), "{asked}");
    }

    #[tokio::test]
    async fn an_answer_ends_where_it_says_or_with_the_connection() {
        let plain = answered(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\ngone", true).await.unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (404, "gone"));
        assert_eq!((plain.header("a"), plain.header("b")), (Some("b"), None));
        // These are complete although the server does not close the connection.
        for (wire, body) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"[..], "ab"),
            (b"HTTP/1.1 204 No\r\n\r\n", ""),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
                "abcde",
            ),
        ] {
            assert_eq!(answered(wire, false).await.unwrap().body, body);
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_or_no_http_is_an_error_that_says_what_was_asked() {
        for wire in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nabc",
            b"SSH-2.0\r\n\r\n",
            b"",
        ] {
            let error = answered(wire, true).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
            assert!(error.to_string().contains("GET / at 127.0.0.1:"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_given_up() {
        let mut wire = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        wire.resize(wire.len() + LONGEST + 1, b'a');
        let error = answered(wire, false).await.unwrap_err();
        assert!(format!("{error:?}").contains("limit"), "{error:?}");
    }

    #[tokio::test]
    async fn what_a_drop_sends_arrives() {
        let (addr, asked) = server(b"HTTP/1.1 204 No\r\n\r\n", false, "\r\n\r\n").await;
        Request::new("DELETE", "/a").send_in_background(addr);
        assert!(asked.await.unwrap().starts_with("DELETE /a HTTP/1.1\r\n"));
    }
}

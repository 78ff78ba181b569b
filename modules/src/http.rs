//! One HTTP/1.1 request and its answer, for the admin interfaces of servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Error, ErrorKind, Result, WaitFor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const LONGEST: usize = 8 << 20;

/// What to ask a server.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    /// One without headers, for tests.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Response { status, head: String::new(), body: body.to_owned() }
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Request { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// RFC 7617.
    pub(crate) fn with_basic_auth(self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.with_header("Authorization", format!("Basic {credentials}"))
    }

    pub(crate) fn with_json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with_header("Content-Type", "application/json")
    }

    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and reads the answer to its end.
    pub(crate) async fn send(&self, addr: SocketAddr) -> Result<Response> {
        let asking = async { self.ask(&mut TcpStream::connect(addr).await?).await };
        let answer = timeout(PATIENCE, asking).await;
        answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
            let what = format!("{} {} at {addr}", self.method, self.path);
            Error::new(ErrorKind::Io, what).with_source(error)
        })
    }

    /// As [`send`](Self::send); any status but 2xx is an error that holds the body.
    pub(crate) async fn send_ok(&self, addr: SocketAddr) -> Result<Response> {
        let answer = self.send(addr).await?;
        if !(200..300).contains(&answer.status) {
            let (method, path, status) = (self.method, &self.path, answer.status);
            return Err(Error::other(format!("{method} {path}: {status}: {}", answer.body)));
        }
        Ok(answer)
    }

    /// Sends it on a thread of its own, for what is to be tidied up by a `Drop`. Nobody learns what
    /// came of it.
    pub(crate) fn send_in_background(self, addr: SocketAddr) {
        let send = move || {
            let mut stream = std::net::TcpStream::connect_timeout(&addr, PATIENCE).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            io::Write::write_all(&mut stream, &self.wire()).ok()?;
            // Closed before it has answered, the server may not do it.
            io::copy(&mut stream, &mut io::sink()).ok()
        };
        // Without a thread it is left undone.
        drop(std::thread::Builder::new().name("castoff-tidy".into()).spawn(send));
    }

    async fn ask(&self, stream: &mut TcpStream) -> io::Result<Response> {
        stream.write_all(&self.wire()).await?;
        let mut bytes = Vec::new();
        // Not every server closes the connection when it is asked to.
        while !whole(&bytes) && bytes.len() < LONGEST {
            if stream.read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        read(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
    }

    fn wire(&self) -> Vec<u8> {
        let mut wire = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        wire.push_str("Host: localhost\r\nConnection: close\r\nAccept: */*\r\n");
        for (name, value) in &self.headers {
            wire.push_str(&format!("{name}: {value}\r\n"));
        }
        wire.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        [wire.as_bytes(), &self.body].concat()
    }
}

/// A wait for an answer that will do. The request is sent until then.
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
            target.seen(format!("{}: {shown}", answer.status));
            Ok(will_do(&answer))
        }
    })
}

/// Whether an answer is there to its end, as far as it says where that is.
fn whole(bytes: &[u8]) -> bool {
    let Some(answer) = read(bytes) else { return false };
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_default() + 4;
    match answer.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => bytes.len() - end >= length,
        None if answer.header("transfer-encoding").is_some() => bytes.ends_with(b"\r\n0\r\n\r\n"),
        None => matches!(answer.status, 204 | 304),
    }
}

/// The answer in what a server sent before it closed the connection.
fn read(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    let body = if chunked { dechunk(body) } else { body.to_vec() };
    let (head, body) = (head.to_owned(), String::from_utf8_lossy(&body).into_owned());
    Some(Response { status, head, body })
}

/// RFC 9112, section 7.1; what is broken ends it.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        let Some(chunk) = rest.get(end + 2..end + 2 + size).filter(|_| size > 0) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + size + 4..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_headers_and_its_length() {
        let request = Request::new("PUT", "/a").with_basic_auth("u", "p").with_json("{}");
        let wire = String::from_utf8(request.wire()).unwrap();
        assert!(wire.starts_with("PUT /a HTTP/1.1\r\nHost: localhost\r\n"), "{wire}");
        assert!(wire.contains("\r\nAuthorization: Basic dTpw\r\n"), "{wire}");
        assert!(wire.ends_with("\r\nContent-Length: 2\r\n\r\n{}"), "{wire}");
    }

    #[test]
    fn answers_may_be_in_chunks_or_not() {
        let plain = read(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\ngone").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (404, "gone"));
        assert_eq!((plain.header("a"), plain.header("b")), (Some("b"), None));
        assert!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"));
        assert!(!whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"));
        assert!(!whole(b"HTTP/1.1 200 OK\r\n\r\na") && whole(b"HTTP/1.1 204 No\r\n\r\n"));
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        assert_eq!(read(wire).unwrap().body, "abcde");
        assert!(whole(wire) && !whole(&wire[..wire.len() - 2]));
        assert!(read(b"SSH-2.0\r\n\r\n").is_none());
        assert_eq!(dechunk(b"ffffffff\r\nabc"), b"");
    }
}

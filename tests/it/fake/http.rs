//! The few parts of HTTP/1.x that an engine needs, read and written by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// A request as received, without the `/v1.41` prefix of its path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path, percent-decoded and without version prefix.
    pub(crate) path: String,
    /// The version, `1.41` for `/v1.41/...`.
    pub(crate) version: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    /// The query in order, for keys that come more than once.
    pub(crate) pairs: Vec<(String, String)>,
    /// The headers, by lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as JSON, `Null` if it is none.
    pub(crate) body: Value,
    /// The body's bytes (empty when above the limit of `discard_bodies_over`).
    pub(crate) raw: Arc<Vec<u8>>,
    pub(crate) body_len: u64,
    pub(crate) http10: bool,
}

impl Request {
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.query.get(key).is_some_and(|v| !matches!(v.as_str(), "" | "0" | "false" | "no"))
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn wants_upgrade(&self) -> bool {
        !self.header("upgrade").is_empty()
    }

    pub(super) fn keeps_alive(&self) -> bool {
        !self.http10 && !self.header("connection").eq_ignore_ascii_case("close")
    }

    /// Returns the `filters` parameter, in either of its spellings.
    pub(super) fn filters(&self) -> Result<BTreeMap<String, Vec<String>>, Fault> {
        let text = self.get("filters");
        if text.is_empty() {
            return Ok(BTreeMap::new());
        }
        let bad = || fault(400, "invalid filter");
        let value: Value = serde_json::from_str(text).map_err(|_| bad())?;
        let mut filters = BTreeMap::new();
        for (key, wanted) in value.as_object().ok_or_else(bad)? {
            let list = match wanted {
                Value::Array(a) => a.iter().filter_map(Value::as_str).map(String::from).collect(),
                Value::Object(o) => o.keys().cloned().collect(),
                _ => return Err(bad()),
            };
            filters.insert(key.clone(), list);
        }
        Ok(filters)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (i, (k, v)) in self.pairs.iter().enumerate() {
            write!(f, "{}{k}={v}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// An error answer: `{"message": …}` under a status.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) message: String,
}

pub(super) fn fault(status: u16, message: impl Into<String>) -> Fault {
    Fault { status, message: message.into() }
}

/// A complete answer.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: format!("{value}\n").into_bytes() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

impl From<Fault> for Response {
    fn from(fault: Fault) -> Self {
        Self::json(fault.status, &json!({ "message": fault.message }))
    }
}

/// The way the body of a streamed answer is delimited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Framing {
    Chunked,
    UntilClose,
}

/// One client connection.
#[derive(Debug)]
pub(super) struct Connection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buf: Vec<u8>,
    /// The bytes that may still be written before the connection is cut.
    pub(super) budget: Option<usize>,
    /// The size of the pieces of streamed bytes, each of which is an HTTP chunk.
    pub(super) piece: Option<usize>,
    pub(super) framing: Framing,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        let framing = Framing::Chunked;
        Self { read, write, buf: Vec::new(), budget: None, piece: None, framing }
    }

    /// Reads the next request; `None` when the client is done. Bodies above `keep` are only
    /// counted.
    pub(super) async fn request(&mut self, keep: u64) -> io::Result<Option<Request>> {
        let head_end = loop {
            if let Some(at) = self.buf.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.buf.drain(..head_end + 4).collect();
        let mut request = parse_head(&String::from_utf8_lossy(&head));
        let mut body = Body { keep, kept: Vec::new(), len: 0 };
        if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            while self.read_chunk(&mut body).await? {}
        } else if let Ok(len) = request.header("content-length").parse() {
            self.take_exact(len, &mut body).await?;
        }
        request.body = serde_json::from_slice(&body.kept).unwrap_or(Value::Null);
        request.body_len = body.len;
        request.raw = Arc::new(body.kept);
        Ok(Some(request))
    }

    async fn read_chunk(&mut self, body: &mut Body) -> io::Result<bool> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        self.take_exact(size, body).await?;
        self.line().await?;
        Ok(size > 0)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buf.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buf.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.fill_some().await?;
        }
    }

    async fn take_exact(&mut self, mut len: u64, body: &mut Body) -> io::Result<()> {
        while len > 0 {
            if self.buf.is_empty() {
                self.fill_some().await?;
            }
            let n = usize::try_from(len).unwrap_or(usize::MAX).min(self.buf.len());
            body.push(&self.buf[..n]);
            self.buf.drain(..n);
            len -= n as u64;
        }
        Ok(())
    }

    async fn fill_some(&mut self) -> io::Result<()> {
        if self.fill().await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 * 1024];
        let n = self.read.read(&mut piece).await?;
        self.buf.extend_from_slice(&piece[..n]);
        Ok(n)
    }

    /// Reads what the client sent after its request; `None` at its end. For hijacked connections.
    pub(super) async fn input(&mut self) -> Option<Vec<u8>> {
        if self.buf.is_empty() && !matches!(self.fill().await, Ok(n) if n > 0) {
            return None;
        }
        Some(std::mem::take(&mut self.buf))
    }

    /// Returns when the client has hung up.
    pub(super) async fn gone(&mut self) {
        while matches!(self.fill().await, Ok(n) if n > 0) {}
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(budget) = self.budget else { return self.write.write_all(bytes).await };
        let allowed = budget.min(bytes.len());
        self.budget = Some(budget - allowed);
        self.write.write_all(&bytes[..allowed]).await?;
        if allowed < bytes.len() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    pub(super) async fn respond(&mut self, request: &Request, answer: &Response) -> io::Result<()> {
        let mut out = head(answer.status, &answer.headers);
        if !matches!(answer.status, 204 | 304) {
            out.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        if !request.keeps_alive() {
            out.push_str("Connection: close\r\n");
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        if request.method != "HEAD" && !matches!(answer.status, 204 | 304) {
            out.extend_from_slice(&answer.body);
        }
        self.write(&out).await
    }

    /// Starts a streamed answer.
    pub(super) async fn open(&mut self, request: &Request, content_type: &str) -> io::Result<()> {
        self.framing = if request.http10 { Framing::UntilClose } else { Framing::Chunked };
        let mut out = head(200, &[("Content-Type", content_type.to_owned())]);
        match self.framing {
            Framing::Chunked => out.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            Framing::UntilClose => out.push_str("Connection: close\r\n\r\n"),
        }
        self.write(out.as_bytes()).await
    }

    /// Turns the connection into a raw one, like attach and exec.
    pub(super) async fn hijack(&mut self, request: &Request) -> io::Result<()> {
        self.framing = Framing::UntilClose;
        let kind = "Content-Type: application/vnd.docker.raw-stream\r\n";
        let out = if request.wants_upgrade() {
            format!("HTTP/1.1 101 UPGRADED\r\n{kind}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        } else {
            format!("HTTP/1.1 200 OK\r\n{kind}\r\n")
        };
        self.write(out.as_bytes()).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(self.piece.unwrap_or(bytes.len()).max(1)) {
            if self.framing == Framing::UntilClose {
                self.write(piece).await?;
                continue;
            }
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            self.write(&chunk).await?;
        }
        Ok(())
    }

    pub(super) async fn end(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked { self.write(b"0\r\n\r\n").await } else { Ok(()) }
    }
}

struct Body {
    keep: u64,
    kept: Vec<u8>,
    len: u64,
}

impl Body {
    fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if self.len <= self.keep {
            self.kept.extend_from_slice(bytes);
        } else {
            self.kept = Vec::new();
        }
    }
}

fn head(status: u16, headers: &[(&'static str, String)]) -> String {
    let mut out = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    out.push_str("Api-Version: 1.41\r\nOstype: linux\r\nServer: Docker/20.10.24 (linux)\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

fn parse_head(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or("").split(' ');
    let mut request = Request { method: first.next().unwrap_or("").into(), ..Request::default() };
    let target = first.next().unwrap_or("/");
    request.http10 = first.next() != Some("HTTP/1.1");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (version, path) = split_version(path);
    request.version = version;
    request.path = decode(path, false);
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.pairs.push((decode(key, true), decode(value, true)));
    }
    request.query = request.pairs.iter().cloned().collect();
    for line in lines {
        if let Some((name, value)) = line.split_once(':') {
            request.headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    request
}

fn split_version(path: &str) -> (Option<String>, &str) {
    if let Some(rest) = path.strip_prefix("/v")
        && let Some(at) = rest.find('/')
        && rest[..at].chars().all(|c| c.is_ascii_digit() || c == '.')
    {
        return (Some(rest[..at].to_owned()), &rest[at..]);
    }
    (None, path)
}

fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

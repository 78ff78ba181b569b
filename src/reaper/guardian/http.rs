//! Requests and response framing: pure functions on memory that the caller provides.
//!
//! Requests are HTTP/1.0, which forbids chunked answers; [`Response`] nevertheless handles chunks,
//! and connections that stay open.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::super::kind::Kind;

const TAIL: &str = " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Returns the request that lists what carries `label`. Allocates: for use before the fork.
pub(super) fn list_request(kind: Kind, label: &str) -> Vec<u8> {
    let filter = label_filter(label);
    let mut request = format!("GET {}", kind.list_path());
    for byte in filter.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                request.push(char::from(byte));
            }
            _ => request.push_str(&format!("%{byte:02X}")),
        }
    }
    request.push_str(TAIL);
    request.into_bytes()
}

/// Returns the request that lists the images that have no name and that no other image is built on.
pub(super) fn nameless_request() -> Vec<u8> {
    let filter = "%7B%22dangling%22%3A%5B%22true%22%5D%7D";
    format!("GET /images/json?filters={filter}{TAIL}").into_bytes()
}

/// Writes the request that inspects an image into `out`; `None` if it doesn't fit.
pub(super) fn image_request<'a>(id: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    if !is_plain(id) {
        return None;
    }
    join(&[b"GET /images/", id, b"/json", TAIL.as_bytes()], out)
}

/// Writes the request that lists the containers of an image, or of images built on it, into `out`;
/// `None` if it doesn't fit.
pub(super) fn users_request<'a>(id: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    /// `{"ancestor":["`, percent-encoded, and the end of it.
    const HEAD: &[u8] = b"%7B%22ancestor%22%3A%5B%22";
    const END: &[u8] = b"%22%5D%7D";
    if !is_plain(id) {
        return None;
    }
    let path = Kind::Container.list_path().as_bytes();
    join(&[b"GET ", path, HEAD, id, END, TAIL.as_bytes()], out)
}

/// Returns `{"label":["…"]}`, with the label escaped as a JSON string.
fn label_filter(label: &str) -> String {
    let mut filter = String::from("{\"label\":[\"");
    for c in label.chars() {
        match c {
            '"' | '\\' => filter.extend(['\\', c]),
            c if c < ' ' => filter.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => filter.push(c),
        }
    }
    filter.push_str("\"]}");
    filter
}

/// Returns whether `id` can be part of a URL's path as it is; anything else is no engine's id. The
/// colon is that of `sha256:`.
pub(super) fn is_plain(id: &[u8]) -> bool {
    id.first().is_some_and(u8::is_ascii_alphanumeric)
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b':'))
}

/// Writes the request that lists what is shared under `value` into `out`; `None` if it doesn't fit,
/// or if `value` can't be part of a URL as it is.
pub(super) fn shared_request<'a>(kind: Kind, value: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    /// `{"label":["castoff.shared=`, percent-encoded, and the end of it.
    const HEAD: &str = "%7B%22label%22%3A%5B%22castoff.shared%3D";
    const END: &str = "%22%5D%7D";
    if !is_plain(value) {
        return None;
    }
    let path = kind.list_path().as_bytes();
    let parts = [b"GET ", path, HEAD.as_bytes(), value, END.as_bytes(), TAIL.as_bytes()];
    join(&parts, out)
}

/// A call to the engine about one resource.
#[derive(Clone, Copy)]
pub(super) enum Call {
    /// The stop of a container, without a timeout.
    Stop,
    /// The removal of an image without a name, unless anything uses it, and of none of its parents.
    DeleteNameless,
    /// The removal of a resource, in Podman's way or Docker's.
    Delete { kind: Kind, podman: bool },
}

/// Writes a call for `id` into `out`; `None` if it doesn't fit.
pub(super) fn call<'a>(call: Call, id: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    let (head, query) = match call {
        Call::Stop => ("POST /containers/", "/stop?t=0"),
        Call::DeleteNameless => ("DELETE /images/", "?noprune=1"),
        Call::Delete { kind, podman } => kind.delete_parts(podman),
    };
    join(&[head.as_bytes(), id, query.as_bytes(), TAIL.as_bytes()], out)
}

fn join<'a>(parts: &[&[u8]], out: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut len = 0_usize;
    for part in parts {
        let end = len.checked_add(part.len())?;
        out.get_mut(len..end)?.copy_from_slice(part);
        len = end;
    }
    out.get(..len)
}

/// Returns the 64-bit FNV-1a hash of the kind and the id, by which the keep table knows a resource.
pub(super) fn fingerprint(kind: Kind, id: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in core::iter::once(&(kind as u8)).chain(id) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// The number of bytes left, if the head gave it.
    Body(Option<u64>),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    End,
}

/// A reader of a response, byte by byte, in whatever pieces it arrives.
#[derive(Debug)]
pub(super) struct Response {
    state: State,
    line: [u8; 48],
    line_len: usize,
    status: Option<u16>,
    chunked: bool,
    length: Option<u64>,
}

impl Response {
    pub(super) const fn new() -> Self {
        let (line, line_len) = ([0; 48], 0);
        Self { state: State::Head, line, line_len, status: None, chunked: false, length: None }
    }

    /// Returns the status, that of an interim answer until its head ends. 0 if it isn't HTTP.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns whether the body has ended by its framing. Without a length, only the end of the
    /// connection shows it.
    pub(super) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// Takes one byte; returns it if it belongs to the body.
    pub(super) fn feed(&mut self, byte: u8) -> Option<u8> {
        match self.state {
            State::Head | State::ChunkSize | State::ChunkEnd => {
                if byte == b'\n' {
                    self.line_ended();
                    self.line_len = 0;
                } else if let Some(place) = self.line.get_mut(self.line_len) {
                    // Only the start of a line matters; the rest of a long one is dropped.
                    *place = byte.to_ascii_lowercase();
                    self.line_len = self.line_len.saturating_add(1);
                }
                None
            }
            State::Body(None) => Some(byte),
            State::Body(Some(left)) => {
                let left = left.saturating_sub(1);
                self.state = if left == 0 { State::End } else { State::Body(Some(left)) };
                Some(byte)
            }
            State::Chunk(left) => {
                let left = left.saturating_sub(1);
                self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                Some(byte)
            }
            State::End => None,
        }
    }

    fn line_ended(&mut self) {
        let line = self.line.get(..self.line_len).unwrap_or(&[]);
        let line = line.trim_ascii();
        self.state = match self.state {
            State::ChunkEnd => State::ChunkSize,
            State::ChunkSize => match number(line, 16) {
                Some(0) | None => State::End,
                Some(size) => State::Chunk(size),
            },
            _ if line.is_empty() => self.head_ended(),
            _ => {
                self.header(self.line, self.line_len);
                State::Head
            }
        };
    }

    fn head_ended(&mut self) -> State {
        match self.status {
            // An interim answer: the final one follows.
            Some(100..=199) => {
                *self = Self::new();
                State::Head
            }
            _ if self.chunked => State::ChunkSize,
            _ if self.length == Some(0) => State::End,
            _ => State::Body(self.length),
        }
    }

    fn header(&mut self, line: [u8; 48], len: usize) {
        let line = line.get(..len).unwrap_or(&[]).trim_ascii();
        if self.status.is_none() {
            let code = line.get(9..12).and_then(|code| number(code, 10));
            let is_http = line.starts_with(b"http/1.");
            self.status = Some(code.filter(|_| is_http).map_or(0, |c| c as u16));
        } else if let Some(value) = line.strip_prefix(b"content-length:") {
            self.length = number(value.trim_ascii(), 10);
        } else if let Some(value) = line.strip_prefix(b"transfer-encoding:") {
            self.chunked = value.trim_ascii().ends_with(b"chunked");
        }
    }
}

/// Parses the number at the start of `digits`; what follows (a chunk's extension) is ignored.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let mut value = None;
    for byte in digits {
        let Some(digit) = char::from(*byte).to_digit(radix) else { break };
        let sum = value.unwrap_or(0_u64).saturating_mul(u64::from(radix));
        value = Some(sum.saturating_add(u64::from(digit)));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(wire: &str) -> (String, Option<u16>, bool) {
        let mut response = Response::new();
        let body = wire.bytes().filter_map(|b| response.feed(b)).map(char::from).collect();
        (body, response.status(), response.ended())
    }

    #[test]
    fn labels_are_escaped_and_percent_encoded() {
        let text = String::from_utf8(list_request(Kind::Container, "a.b=c:d")).unwrap();
        assert!(text.starts_with(
            "GET /containers/json?all=1&filters=%7B%22label%22%3A%5B%22a.b%3Dc%3Ad%22%5D%7D HTTP/1.0\r\n"
        ));
        let text = String::from_utf8(list_request(Kind::Volume, "k=\"\\\n ü&?#/%")).unwrap();
        assert!(text.starts_with(concat!(
            "GET /volumes?filters=%7B%22label%22%3A%5B%22",
            "k%3D%5C%22%5C%5C%5Cu000a%20%C3%BC%26%3F%23%2F%25%22%5D%7D HTTP/1.0\r\n"
        )));
    }

    #[test]
    fn delete_requests_fit_or_are_refused() {
        let delete = |kind| Call::Delete { kind, podman: false };
        let mut out = [0; 128];
        let request = call(delete(Kind::Container), b"abc", &mut out).unwrap();
        assert!(request.starts_with(b"DELETE /containers/abc?force=1&v=1 HTTP/1.0\r\n"));
        assert!(request.ends_with(b"\r\n\r\n"));
        assert!(call(delete(Kind::Volume), &[b'x'; 128], &mut out).is_none());
    }

    #[test]
    fn what_is_shared_is_asked_for_by_its_label() {
        let mut out = [0; 256];
        let request = shared_request(Kind::Network, b"0a-1b", &mut out).unwrap().to_vec();
        assert_eq!(request, list_request(Kind::Network, "castoff.shared=0a-1b"));
        assert!(shared_request(Kind::Network, b"a&b", &mut out).is_none());
        assert!(shared_request(Kind::Network, &[b'x'; 256], &mut out).is_none());
    }

    #[test]
    fn only_plain_ids_reach_a_path() {
        assert!(is_plain(b"0123abc") && is_plain(b"a_b.c-d") && is_plain(b"sha256:0a"));
        let bad: [&[u8]; 6] = [b"", b".", b"../x", b"a/b", b"a b", b"a\r\nb"];
        assert!(bad.iter().all(|id| !is_plain(id)));
    }

    #[test]
    fn fingerprints_differ_by_kind_and_id() {
        assert_ne!(fingerprint(Kind::Network, b"x"), fingerprint(Kind::Volume, b"x"));
        assert_ne!(fingerprint(Kind::Network, b"x"), fingerprint(Kind::Network, b"y"));
    }

    #[test]
    fn framings() {
        let until_close = body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello");
        assert_eq!(until_close, ("hello".into(), Some(200), false));
        let length = body("HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 5\r\n\r\nhelloXX");
        assert_eq!(length, ("hello".into(), Some(404), true));
        let empty = body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(empty, (String::new(), Some(200), true));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                       3;x=y\r\nhel\r\n0A\r\nlo, world!\r\n0\r\n\r\n";
        assert_eq!(body(chunked), ("hello, world!".into(), Some(200), true));
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(body(interim), (String::new(), Some(204), false));
    }

    #[test]
    fn long_headers_and_nonsense() {
        let long =
            format!("HTTP/1.0 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "y".repeat(9000));
        assert_eq!(body(&long), ("ok".into(), Some(200), true));
        assert_eq!(body("SSH-2.0-OpenSSH_9.2\r\n").1, Some(0));
        assert_eq!(body("HTTP/1.1 abc\r\n").1, Some(0));
        assert_eq!(body("HTTP/1.1 20").1, None);
    }
}

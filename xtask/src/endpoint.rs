//! An engine's address, with just enough HTTP for simple requests.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Outcome;

/// The address of Docker's own socket.
pub(crate) const DOCKER: &str = "unix:///var/run/docker.sock";

/// The address of an engine, `unix://…` or `tcp://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// Creates an endpoint from an address; a bare path is a Unix socket.
    pub(crate) fn new(address: &str) -> Self {
        if address.starts_with('/') {
            Self(format!("unix://{address}"))
        } else {
            Self(address.to_owned())
        }
    }

    /// Returns the address.
    pub(crate) fn address(&self) -> &str {
        &self.0
    }

    /// Returns whether an engine answers.
    pub(crate) fn answers(&self) -> bool {
        self.get("/_ping").is_ok_and(|body| body.trim() == "OK")
    }

    /// Returns whether the engine is Podman.
    pub(crate) fn is_podman(&self) -> bool {
        self.get("/version").is_ok_and(|body| body.contains("Podman Engine"))
    }

    /// Returns the engine's name and version.
    pub(crate) fn describe(&self) -> Outcome<String> {
        let body = self.get("/version")?;
        let version = strings(&body, "Version").into_iter().next_back().unwrap_or_default();
        let api = strings(&body, "ApiVersion").into_iter().next_back().unwrap_or_default();
        let kind = if body.contains("Podman Engine") { "Podman" } else { "Docker" };
        Ok(format!("{kind} {version} (API {api})"))
    }

    /// Returns the body of a successful `GET`.
    pub(crate) fn get(&self, path: &str) -> Outcome<String> {
        let raw = self.exchange(path).map_err(|e| format!("{self} does not answer: {e}"))?;
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw.as_str(), ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) == Some("200") {
            Ok(body.to_owned())
        } else {
            Err(format!("{self}: GET {path}: {status} {}", body.trim()))
        }
    }

    /// Sends a request by HTTP/1.0: the engine closes the connection after one unchunked answer.
    fn exchange(&self, path: &str) -> std::io::Result<String> {
        let request = format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n");
        let limit = Some(Duration::from_secs(10));
        let mut bytes = Vec::new();
        if let Some(socket) = self.0.strip_prefix("unix://") {
            let mut stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(limit)?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut bytes)?;
        } else {
            let host = self.0.strip_prefix("tcp://").unwrap_or(&self.0);
            let mut stream = TcpStream::connect(host)?;
            stream.set_read_timeout(limit)?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns every string value of a key in a JSON text, in order. This is not a parser: keys and
/// values of the engine's answers contain no escaped quotes.
pub(crate) fn strings(json: &str, key: &str) -> Vec<String> {
    let key = format!("\"{key}\":\"");
    let values = json.replace("\": \"", "\":\"");
    let parts = values.split(&key).skip(1);
    parts.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_path_is_a_unix_socket() {
        assert_eq!(Endpoint::new("/run/x.sock").address(), "unix:///run/x.sock");
        assert_eq!(Endpoint::new("tcp://h:1").address(), "tcp://h:1");
    }

    #[test]
    fn strings_are_found_by_their_whole_key() {
        let json = r#"[{"Id":"a","ImageID":"b"},{"Id": "c"}]"#;
        assert_eq!(strings(json, "Id"), ["a", "c"]);
    }
}

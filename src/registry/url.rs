//! [`Url`]: where a request goes.

use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An absolute URL of HTTP or HTTPS, without user and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) target: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Url> {
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // What stands after the host is a port that is one, or nothing.
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let port = match rest.strip_prefix(':') {
            Some(_) => authority.port_u16()?,
            None if tls => 443,
            None => 80,
        };
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Some(Url { tls, host: host.to_ascii_lowercase(), port, target })
    }

    /// Reads a reference as seen from here (RFC 3986, section 4.2).
    pub(super) fn join(&self, reference: &str) -> Option<Url> {
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.contains("://") && !reference.starts_with(['/', '?']) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            let scheme = if self.tls { "https" } else { "http" };
            return Url::parse(&format!("{scheme}:{reference}"));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.starts_with('?') || reference.is_empty() {
            format!("{path}{reference}")
        } else {
            let folder = path.rfind('/').map_or("", |slash| &path[..slash]);
            format!("{folder}/{reference}")
        };
        let target: PathAndQuery = target.parse().ok()?;
        Some(Url { target: target.as_str().to_owned(), ..self.clone() })
    }

    pub(super) fn same_origin(&self, other: &Url) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Host and port as in a `Host` header: a port only where it is not the scheme's.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        match self.port == usual {
            true => bracketed(&self.host),
            false => format!("{}:{}", bracketed(&self.host), self.port),
        }
    }

    /// Adds a parameter to the query.
    pub(super) fn with_query(mut self, name: &str, value: &str) -> Url {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(&format!("{name}={}", utf8_percent_encode(value, RESERVED)));
        self
    }
}

/// Whether a host is this machine by its very name.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_absolute_ones() {
        let url = Url::parse("HTTPS://Auth.Docker.IO/token?x=1#y").unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "auth.docker.io", 443));
        assert_eq!(
            (url.target.as_str(), url.authority().as_str()),
            ("/token?x=1", "auth.docker.io")
        );
        let six = Url::parse("http://[::1]:5000").unwrap();
        assert_eq!((six.host.as_str(), six.authority().as_str()), ("::1", "[::1]:5000"));
        assert!(six.is_loopback() && six.target == "/");
        for bad in ["", "/x", "ftp://a/", "http://u:p@a/", "http://a:99999/", "http://", "a b"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn joins_references() {
        let base = Url::parse("http://127.0.0.1:5000/v2/a/tags/list?n=1").unwrap();
        let joined = |text| base.join(text).unwrap();
        assert_eq!(joined("/v2/x?last=1&n=1").target, "/v2/x?last=1&n=1");
        assert_eq!(joined("?n=2").target, "/v2/a/tags/list?n=2");
        assert_eq!(joined("other").target, "/v2/a/tags/other");
        assert!(joined("/x?u=http://y/").same_origin(&base));
        assert_eq!(joined("//cdn.example.com/x").host, "cdn.example.com");
        let other = joined("https://cdn.example.com/x");
        assert!(other.tls && !other.same_origin(&base) && !other.is_loopback());
        assert_eq!(base.join("ftp://a/b"), None);
        assert_eq!(base.join("/a b"), None);
    }

    #[test]
    fn queries_are_encoded() {
        let url = Url::parse("http://a/token").unwrap();
        let url = url.with_query("service", "a b").with_query("scope", "repository:x/y:pull,push");
        assert_eq!(url.target, "/token?service=a%20b&scope=repository%3Ax%2Fy%3Apull%2Cpush");
    }
}

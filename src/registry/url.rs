//! The URLs of requests: HTTP or HTTPS, without user and password.

use std::net::IpAddr;

use reqwest::Url;

/// Reads an absolute URL.
pub(super) fn parse(text: &str) -> Option<Url> {
    usable(Url::parse(text).ok()?)
}

/// Resolves a reference against `base`.
pub(super) fn join(base: &Url, reference: &str) -> Option<Url> {
    usable(base.join(reference).ok()?)
}

/// Accepts HTTP and HTTPS without a user and password, which would be sent as a login that nobody
/// gave.
fn usable(mut url: Url) -> Option<Url> {
    let is_http = matches!(url.scheme(), "http" | "https");
    if !is_http || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

/// Returns whether scheme, host and port are the same.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Returns whether a host is this machine by its name alone.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the host, and the port unless it is the scheme's default.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_absolute_ones() {
        let url = parse("HTTPS://Auth.Docker.IO/token?x=1#y").unwrap();
        assert_eq!(url.as_str(), "https://auth.docker.io/token?x=1");
        assert_eq!(authority(&url), "auth.docker.io");
        let six = parse("http://[::1]:5000").unwrap();
        assert_eq!(authority(&six), "[::1]:5000");
        assert!(is_loopback(&six) && is_loopback(&parse("http://LOCALHOST/").unwrap()));
        for bad in ["", "/x", "ftp://a/", "http://u:p@a/", "http://a:99999/", "http://", "a b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn joins_references() {
        let base = parse("http://127.0.0.1:5000/v2/a/tags/list?n=1").unwrap();
        let same = |text| join(&base, text).filter(|url| same_origin(url, &base)).unwrap();
        assert_eq!(same("?n=2").path(), "/v2/a/tags/list");
        assert_eq!(same("/x?u=http://y/").query(), Some("u=http://y/"));
        for other in ["//cdn.example.com/x", "http://127.0.0.1/", "https://127.0.0.1:5000/"] {
            assert!(!same_origin(&join(&base, other).unwrap(), &base), "{other}");
        }
        assert_eq!(join(&base, "ftp://a/b"), None);
        assert_eq!(join(&base, "//ann:sesame@127.0.0.1:5000/"), None);
    }
}

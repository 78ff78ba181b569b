//! [`Endpoint`]: the address that an engine listens on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::{as_text, spec_hash};

/// The address that an engine listens on, as in `DOCKER_HOST`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A unix socket: `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// Plain TCP: `tcp://127.0.0.1:2375`. Default port: 2375.
    Tcp {
        /// The host name or address; an IPv6 address has no brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// Returns the socket's path if the endpoint is a unix socket.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Endpoint::Unix(path) => Some(path),
            Endpoint::Tcp { .. } => None,
        }
    }

    /// Returns a short name for the engine that listens here, the same for all paths to one socket:
    /// `/var/run` is often a link to `/run`. It goes by what the file system says now.
    pub(super) fn identity(&self) -> String {
        let real = self.socket().and_then(|path| std::fs::canonicalize(path).ok());
        let real = real.map_or_else(|| self.clone(), Endpoint::Unix);
        spec_hash(&real.to_string()).chars().take(16).collect()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp { host, port } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Parses `unix://PATH`, `tcp://HOST[:PORT]`, `http://HOST[:PORT]` or an absolute path.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for any other form, [`ErrorKind::Unsupported`] for `https`,
    /// `ssh`, `npipe` and `fd` endpoints.
    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Endpoint::Unix(PathBuf::from(text)));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::invalid(
                "engine endpoint",
                format!("`{text}` is neither `unix://PATH` nor `tcp://HOST:PORT`"),
            ));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Endpoint::Unix(PathBuf::from(rest))),
            "unix" => Err(Error::invalid(
                "engine endpoint",
                format!("`{text}`: the socket's path must be absolute"),
            )),
            "tcp" | "http" => parse_authority(rest.trim_end_matches('/')),
            "https" | "ssh" | "npipe" | "fd" => Err(Error::new(
                ErrorKind::Unsupported,
                format!("engine endpoint `{text}`: `{scheme}` is not supported yet"),
            )),
            _ => Err(Error::invalid(
                "engine endpoint",
                format!("`{text}`: unknown scheme `{scheme}`"),
            )),
        }
    }
}

as_text!(Endpoint);

impl TryFrom<&str> for Endpoint {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<&String> for Endpoint {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

fn parse_authority(authority: &str) -> Result<Endpoint> {
    let bad = |why: &str| Error::invalid("engine endpoint", format!("`tcp://{authority}`: {why}"));
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| bad("the `[` is never closed"))?;
        (host, rest.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(bad("no host name that could be used"));
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| bad("the port is not a number up to 65535"))?,
        None => 2375,
    };
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in
            ["unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:9", "tcp://h:1"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("/x.sock".parse::<Endpoint>().unwrap(), Endpoint::Unix("/x.sock".into()));
        assert_eq!("tcp://h".parse::<Endpoint>().unwrap().to_string(), "tcp://h:2375");
        assert_eq!("http://h:80/".parse::<Endpoint>().unwrap().to_string(), "tcp://h:80");
    }

    #[cfg(unix)]
    #[test]
    fn one_socket_is_one_engine_by_every_path() {
        let home = tempfile::tempdir().unwrap();
        let [real, linked, other] = ["real", "linked", "other"].map(|name| home.path().join(name));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &linked).unwrap();
        let [real, linked, other] =
            [real, linked, other].map(|path| Endpoint::Unix(path).identity());
        assert_eq!((real.len(), &real), (16, &linked));
        assert_ne!(real, other);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, kind, word) in [
            ("docker.sock", ErrorKind::InvalidInput, "neither"),
            ("unix://run/x", ErrorKind::InvalidInput, "absolute"),
            ("tcp://:1", ErrorKind::InvalidInput, "host name"),
            ("tcp://h:99999", ErrorKind::InvalidInput, "65535"),
            ("tcp://[::1", ErrorKind::InvalidInput, "closed"),
            ("gopher://x", ErrorKind::InvalidInput, "gopher"),
            ("ssh://me@h", ErrorKind::Unsupported, "ssh"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}

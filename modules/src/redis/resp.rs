//! [`Session`]: commands and their replies.
//!
//! Redis documentation, "Redis serialization protocol specification", version 2.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use castoff::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Limit for the time of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit for the depth of replies; this module's commands need no more.
const DEPTH: u8 = 4;
/// Limit for the length of a string, in bytes. A list of ten thousand clients has five million.
const LONGEST: usize = 64 << 20;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status, number or string.
    Text(String),
    Error(String),
    Array(Vec<Reply>),
}

impl Reply {
    /// Returns the text; empty for another kind of reply.
    pub(super) fn text(&self) -> &str {
        match self {
            Reply::Text(text) => text,
            Reply::Error(_) | Reply::Array(_) => "",
        }
    }

    /// Returns the members; empty for another kind of reply.
    pub(super) fn members(&self) -> &[Reply] {
        match self {
            Reply::Array(members) => members,
            Reply::Text(_) | Reply::Error(_) => &[],
        }
    }
}

/// Writes a command as an array of bulk strings.
pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    bytes.into_bytes()
}

/// A connection that is logged in.
pub(super) struct Session {
    addr: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Session {
    pub(super) async fn open(addr: SocketAddr, password: Option<&str>) -> Result<Session> {
        let connecting = timeout(PATIENCE, TcpStream::connect(addr)).await;
        let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(|error| failed(addr, error))?;
        let mut session = Session { addr, stream: BufReader::new(stream) };
        if let Some(password) = password {
            session.ask(&[&["AUTH", password]]).await?;
        }
        Ok(session)
    }

    /// Sends several commands at once. Fails with the first reply that is an error.
    pub(super) async fn ask(&mut self, commands: &[&[&str]]) -> Result<Vec<Reply>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
        let asking = async {
            self.stream.get_mut().write_all(&bytes).await?;
            let mut replies = Vec::new();
            for _ in commands {
                replies.push(read(&mut self.stream, DEPTH).await?);
            }
            io::Result::Ok(replies)
        };
        let asked = timeout(PATIENCE, asking).await;
        let replies = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let replies = replies.map_err(|error| failed(self.addr, error))?;
        for (reply, words) in replies.iter().zip(commands) {
            if let Reply::Error(said) = reply {
                // The words after the name may be secret.
                let name = words.first().copied().unwrap_or_default();
                return Err(Error::other(format!("{name} at {}: {said}", self.addr)));
            }
        }
        Ok(replies)
    }

    /// Returns the bare connection, which belongs to no runtime and does not block.
    pub(super) fn into_std(self) -> Result<std::net::TcpStream> {
        let addr = self.addr;
        self.stream.into_inner().into_std().map_err(|error| failed(addr, error))
    }
}

fn failed(addr: SocketAddr, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, addr.to_string()).with_source(error)
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin + Send), depth: u8) -> io::Result<Reply> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no reply in RESP 2");
    let mut line = Vec::new();
    stream.take(LONGEST as u64).read_until(b'\n', &mut line).await?;
    let line = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let line = String::from_utf8_lossy(line);
    let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
    let length = || rest.parse::<i64>().map_err(|_| wrong());
    match kind {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        "$" => {
            // Nil has the length -1.
            let Ok(length) = usize::try_from(length()?) else {
                return Ok(Reply::Text(String::new()));
            };
            if length > LONGEST {
                return Err(wrong());
            }
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(length);
            Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        "*" if depth > 0 => {
            let mut members = Vec::new();
            for _ in 0..length()? {
                members.push(Box::pin(read(&mut *stream, depth - 1)).await?);
            }
            Ok(Reply::Array(members))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reply(mut bytes: &[u8]) -> io::Result<Reply> {
        read(&mut bytes, DEPTH).await
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(command(&["PING"]), b"*1\r\n$4\r\nPING\r\n");
        let expected = "*2\r\n$4\r\nAUTH\r\n$5\r\npä\r\n\r\n".as_bytes();
        assert_eq!(command(&["AUTH", "pä\r\n"]), expected);
    }

    #[tokio::test]
    async fn replies_are_told_apart() {
        let text = |text: &str| Reply::Text(text.into());
        assert_eq!(reply(b"+OK\r\n").await.unwrap(), text("OK"));
        assert_eq!(reply(b":12\r\n").await.unwrap(), text("12"));
        assert_eq!(reply(b"$4\r\na\r\nb\r\n").await.unwrap(), text("a\r\nb"));
        assert_eq!(reply(b"$-1\r\n").await.unwrap(), text(""));
        assert_eq!(reply(b"-ERR no\r\n").await.unwrap(), Reply::Error("ERR no".into()));
        let nested = reply(b"*2\r\n*1\r\n+a\r\n:1\r\n").await.unwrap();
        assert_eq!(nested.members()[0].members()[0].text(), "a");
        assert_eq!(nested.members()[1].text(), "1");
        assert_eq!(reply(b"*-1\r\n").await.unwrap().members(), []);
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        for bytes in [&b""[..], b"+OK", b"HTTP/1.1 400\r\n", b"\r\n", b"$9\r\nab", b"$x\r\n"] {
            assert!(reply(bytes).await.is_err(), "{bytes:?}");
        }
        assert!(reply(&b"*1\r\n".repeat(9)).await.is_err());
        assert!(reply(b"$99999999999\r\n").await.is_err());
    }
}

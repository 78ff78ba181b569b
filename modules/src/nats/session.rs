//! [`Session`]: a small part of the client protocol.
//!
//! NATS documentation, "Client Protocol".

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use castoff::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::{Options, SYSTEM};
use crate::unique::token;

/// Limit for the time of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit for the length of a line or a message, in bytes.
const LONGEST: u64 = 8 << 20;

/// The credentials of a client.
#[derive(Clone)]
pub(super) enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

impl Login {
    /// Returns the credentials of this module's own requests.
    pub(super) fn system() -> Self {
        Login::User(SYSTEM.into(), SYSTEM.into())
    }

    /// Returns the credentials of the server's first user, or its token.
    pub(super) fn of(options: &Options) -> Self {
        match (&options.token, options.users.first()) {
            (Some(token), _) => Login::Token(token.clone()),
            (None, Some((name, password))) => Login::User(name.clone(), password.clone()),
            (None, None) => Login::Nobody,
        }
    }

    /// Returns the first messages of a client, which the server answers with `PONG` if it accepts
    /// them.
    pub(super) fn greeting(&self) -> Vec<u8> {
        let mut fields = String::from(
            r#""verbose":false,"pedantic":false,"lang":"rust","version":"0","protocol":1,"headers":true,"no_responders":true,"name":"castoff""#,
        );
        match self {
            Login::Nobody => {}
            Login::Token(token) => fields.push_str(&format!(",\"auth_token\":{}", json(token))),
            Login::User(name, password) => {
                let (name, password) = (json(name), json(password));
                fields.push_str(&format!(",\"user\":{name},\"pass\":{password}"));
            }
        }
        format!("CONNECT {{{fields}}}\r\nPING\r\n").into_bytes()
    }
}

/// Writes a string in JSON.
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => json.push(c),
        }
    }
    json + "\""
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Line(String),
    /// A message to a subscription; `None` if there was no responder.
    Message(String, Option<String>),
}

/// A connection that is logged in.
pub(super) struct Session {
    addr: SocketAddr,
    /// The server's unique number of the connection.
    pub(super) id: u64,
    stream: BufReader<TcpStream>,
    inbox: String,
    asked: u64,
}

impl Session {
    pub(super) async fn open(addr: SocketAddr, login: &Login) -> Result<Session> {
        let opening = async {
            let mut stream = BufReader::new(TcpStream::connect(addr).await?);
            let info = line(&mut stream).await?;
            stream.get_mut().write_all(&login.greeting()).await?;
            let inbox = format!("_INBOX.castoff.{}", token());
            let id = number(&info, "client_id").unwrap_or(0);
            let mut session = Session { addr, id, stream, inbox, asked: 0 };
            while session.listen().await? != Said::Line("PONG".into()) {}
            Ok(session)
        };
        within(addr, opening).await
    }

    /// Sends a request and returns the answer, one message; `None` if there is no responder.
    pub(super) async fn ask(&mut self, subject: &str, body: &str) -> Result<Option<String>> {
        let addr = self.addr;
        within(addr, async {
            self.asked += 1;
            let (id, inbox) = (self.asked.to_string(), format!("{}.{}", self.inbox, self.asked));
            let size = body.len();
            let words = format!(
                "SUB {inbox} {id}\r\nUNSUB {id} 1\r\nPUB {subject} {inbox} {size}\r\n{body}\r\n"
            );
            self.stream.get_mut().write_all(words.as_bytes()).await?;
            loop {
                match self.listen().await? {
                    Said::Message(to, body) if to == id => return Ok(body),
                    Said::Message(..) | Said::Line(_) => {}
                }
            }
        })
        .await
    }

    /// Reads the server's next message. Refusals are errors, and `PING`s are answered.
    async fn listen(&mut self) -> io::Result<Said> {
        let said = read(&mut self.stream).await?;
        if let Said::Line(line) = &said {
            if line.starts_with("-ERR") {
                return Err(io::Error::other(line.clone()));
            }
            if line == "PING" {
                self.stream.get_mut().write_all(b"PONG\r\n").await?;
            }
        }
        Ok(said)
    }

    /// Returns the bare connection, which belongs to no runtime and does not block.
    pub(super) fn into_std(self) -> Result<std::net::TcpStream> {
        let addr = self.addr;
        self.stream.into_inner().into_std().map_err(|error| failed(addr, error))
    }
}

/// Finds the value of a number in a JSON object.
pub(super) fn number(json: &str, name: &str) -> Option<u64> {
    let (_, value) = json.split_once(&format!("\"{name}\":"))?;
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

async fn within<T>(addr: SocketAddr, work: impl Future<Output = io::Result<T>>) -> Result<T> {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| failed(addr, error))
}

fn failed(addr: SocketAddr, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, addr.to_string()).with_source(error)
}

/// Reads a line, without its end.
pub(super) async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await?;
    let line = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(String::from_utf8_lossy(line).into_owned())
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Said> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no word of the NATS protocol");
    let line = line(stream).await?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (&kind, size) = (words.first().ok_or_else(wrong)?, words.last());
    if kind != "MSG" && kind != "HMSG" {
        return Ok(Said::Line(line));
    }
    let (to, size) = (words.get(2).ok_or_else(wrong)?, size.and_then(|size| size.parse().ok()));
    let size: usize = size.filter(|&size| size as u64 <= LONGEST).ok_or_else(wrong)?;
    let mut body = vec![0; size + 2];
    stream.read_exact(&mut body).await?;
    body.truncate(size);
    let body = String::from_utf8_lossy(&body).into_owned();
    let nobody = kind == "HMSG" && body.starts_with("NATS/1.0 503");
    Ok(Said::Message((*to).to_owned(), (!nobody).then_some(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_has_the_credentials_in_json() {
        let text = |login: Login| String::from_utf8(login.greeting()).unwrap();
        assert!(text(Login::Nobody).ends_with("\"name\":\"castoff\"}\r\nPING\r\n"));
        assert!(text(Login::Token("t\"\n".into())).contains(",\"auth_token\":\"t\\\"\\u000a\"}"));
        let user = text(Login::User("a".into(), "ü\\".into()));
        assert!(user.contains(",\"user\":\"a\",\"pass\":\"ü\\\\\"}"), "{user}");
    }

    #[tokio::test]
    async fn messages_are_read_to_their_end() {
        let mut wire =
            &b"MSG in.1 7 5\r\na\r\nbc\r\nHMSG in.2 8 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPONG\r\n"[..];
        let message = |to: &str, body: Option<&str>| Said::Message(to.into(), body.map(Into::into));
        assert_eq!(read(&mut wire).await.unwrap(), message("7", Some("a\r\nbc")));
        assert_eq!(read(&mut wire).await.unwrap(), message("8", None));
        assert_eq!(read(&mut wire).await.unwrap(), Said::Line("PONG".into()));
        for wire in [&b""[..], b"PON", b"\r\n", b"MSG a 1 x\r\n", b"MSG a 1 9\r\nab", b"MSG 1\r\n"]
        {
            assert!(read(&mut &*wire).await.is_err(), "{wire:?}");
        }
    }

    #[test]
    fn numbers_are_found_in_json() {
        assert_eq!(number(r#"{"a":1,"total":12,"b":3}"#, "total"), Some(12));
        assert_eq!(number(r#"{"total":"x"}"#, "total"), None);
        assert_eq!(number("{}", "total"), None);
    }
}

//! The check whether a server accepts connections, in its own protocol.
//!
//! While it creates its database, the image runs a server that listens on a unix socket only, so
//! only the real one answers over TCP. The probe sends a `StartupMessage`. The server is ready when
//! it asks for authentication, or refuses for a reason other than that it is starting up. The probe
//! does not ask for TLS first: a server answers that before it is ready, so the answer would prove
//! nothing.
//!
//! PostgreSQL documentation, "Message Formats" and "PostgreSQL Error Codes".

use std::io;

use castoff::wait::ProbeWait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::PORT;
use crate::probe::{Answer, text, until_ready};

const PROTOCOL_3_0: u32 = 3 << 16;
/// `cannot_connect_now`: starting up, shutting down or in recovery.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// Limit for the length of an answer, in bytes.
const LONGEST: usize = 64 << 10;

pub(super) fn wait(user: &str, database: &str) -> ProbeWait {
    let hello = startup_message(user, database);
    let what = format!("PostgreSQL to take connections to database `{database}`");
    until_ready(what, PORT, move |mut stream| {
        let hello = hello.clone();
        async move { converse(&mut stream, &hello).await }
    })
}

fn startup_message(user: &str, database: &str) -> Vec<u8> {
    let mut message = vec![0; 4];
    message.extend(PROTOCOL_3_0.to_be_bytes());
    for text in ["user", user, "database", database, "application_name", "castoff"] {
        message.extend(text.as_bytes());
        message.push(0);
    }
    message.push(0);
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    message[..4].copy_from_slice(&length.to_be_bytes());
    message
}

async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: &[u8],
) -> io::Result<Answer> {
    stream.write_all(hello).await?;
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await? as usize;
    if !matches!(kind, b'R' | b'E') || !(4..LONGEST).contains(&length) {
        return Ok(Answer::NotYet(format!("a message of type {kind:#04x}, unlike PostgreSQL")));
    }
    // Reads to the end: closing a connection with unread bytes resets it, and the server logs that.
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(if kind == b'R' { Answer::Ready("authentication".into()) } else { refusal(&body) })
}

/// Returns the result for an `ErrorResponse`: fields of a type byte and a text that ends in NUL.
fn refusal(body: &[u8]) -> Answer {
    let field = |kind: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        text(fields.find(|field| field.first() == Some(&kind)).map_or(&[], |field| &field[1..]))
    };
    let (code, message) = (field(b'C'), field(b'M'));
    let said = format!("{message} ({code})");
    if code == CANNOT_CONNECT_NOW || code.is_empty() {
        Answer::NotYet(said)
    } else {
        Answer::Ready(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the probe's result for a server that sends this and then closes.
    async fn answer(bytes: &[u8]) -> io::Result<Answer> {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(bytes).await?;
        let server = tokio::spawn(async move {
            let mut hello = [0; 9];
            theirs.read_exact(&mut hello).await.map(|_| hello)
        });
        let answer = converse(&mut ours, &startup_message("u", "d")).await;
        assert_eq!(server.await??, *b"\0\0\0\x34\0\x03\0\0u");
        answer
    }

    fn error_response(code: &str, message: &str) -> Vec<u8> {
        let body = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [b"E".as_slice(), &length, body.as_bytes()].concat()
    }

    #[test]
    fn a_startup_message_is_its_length_the_version_and_pairs() {
        let message = startup_message("ann", "shop");
        assert_eq!(message.len(), 57);
        assert_eq!(message[..8], [0, 0, 0, 57, 0, 3, 0, 0]);
        assert_eq!(&message[8..], b"user\0ann\0database\0shop\0application_name\0castoff\0\0");
    }

    #[tokio::test]
    async fn a_server_that_asks_to_authenticate_is_ready() {
        let sasl = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
        assert_eq!(answer(sasl).await.unwrap(), Answer::Ready("authentication".into()));
    }

    #[tokio::test]
    async fn a_refusal_counts_unless_the_server_is_starting_up() {
        let starting = error_response("57P03", "the database system is starting up");
        let said = "the database system is starting up (57P03)".to_owned();
        assert_eq!(answer(&starting).await.unwrap(), Answer::NotYet(said));
        let full = error_response("53300", "sorry, too many clients already");
        assert!(matches!(answer(&full).await.unwrap(), Answer::Ready(_)));
        let odd = b"E\0\0\0\x05\0";
        assert!(matches!(answer(odd).await.unwrap(), Answer::NotYet(_)));
    }

    #[tokio::test]
    async fn silence_and_other_protocols_are_not_ready() {
        let early = answer(b"").await.unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::UnexpectedEof);
        assert!(answer(b"R\0\0").await.is_err());
        assert!(matches!(answer(b"HTTP/1.1 400").await.unwrap(), Answer::NotYet(_)));
        assert!(matches!(answer(b"E\xff\xff\xff\xff").await.unwrap(), Answer::NotYet(_)));
    }
}

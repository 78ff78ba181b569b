//! A few packets of MQTT 3.1.1.
//!
//! OASIS standard "MQTT Version 3.1.1", chapters 2 and 3.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Limit for the length of an answer to these packets.
const LONGEST: usize = 64;

pub(super) const DISCONNECT: [u8; 2] = [0xe0, 0];
/// The first byte of an answer to `CONNECT`.
pub(super) const CONNACK: u8 = 0x20;
/// The first byte of an answer to `PUBLISH`.
pub(super) const PUBACK: u8 = 0x40;
/// The packet identifier of a message.
pub(super) const IDENTIFIER: [u8; 2] = [0, 1];

/// A name and a password.
pub(super) type Login<'a> = Option<(&'a str, &'a str)>;

/// Writes a request for a session that ends with the connection, under a name of the server's
/// choice.
pub(super) fn connect(login: Login<'_>) -> Vec<u8> {
    let (clean, user, password) = (0x02, 0x80, 0x40);
    let flags = if login.is_some() { clean | user | password } else { clean };
    // Protocol level 4 is 3.1.1; no keep-alive.
    let mut body = [&string("MQTT")[..], &[4, flags, 0, 0], &string("")].concat();
    if let Some((user, password)) = login {
        body.extend([string(user), string(password)].concat());
    }
    packet(0x10, &body)
}

/// Writes a message that must be acknowledged (quality of service 1).
pub(super) fn publish(topic: &str, payload: &[u8], retain: bool) -> Vec<u8> {
    let body = [&string(topic)[..], &IDENTIFIER, payload].concat();
    packet(0x32 | u8::from(retain), &body)
}

/// Reads the next packet. Returns its kind and body.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = usize::from(stream.read_u8().await?);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no answer of an MQTT server"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

/// Returns the meaning of the code in a `CONNACK`.
pub(super) fn meaning(code: u8) -> &'static str {
    match code {
        0 => "connection accepted",
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "server unavailable",
        4 => "bad user name or password",
        5 => "not authorized",
        _ => "connection refused",
    }
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    // Seven bits a byte, the lowest first; the eighth means that more follow.
    let mut length = body.len();
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        packet.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Writes text after its length in two bytes. Callers have checked that no text is too long for
/// that.
fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &text.as_bytes()[..length.into()]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_standard_has_them() {
        assert_eq!(connect(None), b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00");
        let expected = b"\x10\x12\x00\x04MQTT\x04\xc2\x00\x00\x00\x00\x00\x01a\x00\x01b";
        assert_eq!(connect(Some(("a", "b"))), expected);
        assert_eq!(publish("t", b"x", true), b"\x33\x06\x00\x01t\x00\x01x");
        let long = publish("t", &[7; 400], false);
        assert_eq!(long[..3], [0x32, 0x95, 0x03]);
        assert_eq!(long.len(), 3 + 0x15 + (3 << 7));
    }

    #[tokio::test]
    async fn answers_are_short() {
        let answer = read(&mut &b"\x20\x02\x00\x05"[..]).await.unwrap();
        assert_eq!(answer, (CONNACK, vec![0, 5]));
        assert!(read(&mut &b"\x20\x02\x00"[..]).await.is_err());
        assert!(read(&mut &b"HTTP/1.1 400"[..]).await.is_err());
    }
}

//! The check whether a server accepts connections, in its own protocol.
//!
//! While it creates its databases, the image runs a server without a network, so only the real one
//! sends a greeting over TCP. MySQL documentation, "Protocol::HandshakeV10" and "ERR_Packet".

use std::io;

use castoff::wait::ProbeWait;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::PORT;
use crate::probe::{Answer, text, until_ready};

/// Limit for the length of a greeting.
const LONGEST: usize = 64 << 10;
const GREETING: u8 = 10;
const REFUSAL: u8 = 0xff;

pub(super) fn wait(name: &str) -> ProbeWait {
    until_ready(format!("{name} to greet"), PORT, |mut stream| async move {
        greeting(&mut stream).await
    })
}

async fn greeting(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let length = stream.read_u32_le().await? as usize & 0xff_ffff;
    let mut packet = vec![0; length.min(LONGEST)];
    stream.read_exact(&mut packet).await?;
    Ok(match packet.first() {
        Some(&GREETING) => {
            let version = packet[1..].split(|byte| *byte == 0).next().unwrap_or_default();
            Answer::Ready(text(version))
        }
        Some(&REFUSAL) => Answer::NotYet(text(packet.get(3..).unwrap_or_default())),
        other => Answer::NotYet(format!("a packet that begins with {other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_greeting_is_ready_and_a_refusal_is_not() {
        let hello = greeting(&mut &b"\x09\0\0\0\x0a11.4.2\0x"[..]).await.unwrap();
        assert_eq!(hello, Answer::Ready("11.4.2".into()));
        let refused = greeting(&mut &b"\x0b\0\0\0\xff\x10\x04Too many"[..]).await.unwrap();
        assert_eq!(refused, Answer::NotYet("Too many".into()));
        assert!(greeting(&mut &b""[..]).await.is_err());
        assert!(greeting(&mut &b"HTTP/1.1 400\r\n"[..]).await.is_err());
    }
}

//! The check whether a broker is ready, in its own protocol: it accepts a `CONNECT`.

use std::io;

use castoff::wait::ProbeWait;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::PORT;
use super::packet::{CONNACK, DISCONNECT, Login, connect, meaning, read};
use crate::probe::{Answer, until_ready};

pub(super) fn wait(login: Login<'_>) -> ProbeWait {
    let (greeting, anonymous) = (connect(login), login.is_none());
    until_ready("Mosquitto to accept a CONNECT".into(), PORT, move |mut stream| {
        let greeting = greeting.clone();
        async move { converse(&mut stream, &greeting, anonymous).await }
    })
}

async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    greeting: &[u8],
    anonymous: bool,
) -> io::Result<Answer> {
    stream.write_all(greeting).await?;
    let (kind, body) = read(stream).await?;
    let (CONNACK, [_, code]) = (kind, body.as_slice()) else {
        return Ok(Answer::NotYet(format!("{kind:#x} {body:?}")));
    };
    if *code == 0 {
        // The broker may have closed the connection already, which does not matter.
        let _ = stream.write_all(&DISCONNECT).await;
    }
    // The broker runs and needs credentials that the module does not have.
    let ready = *code == 0 || anonymous && matches!(code, 4 | 5);
    let said = meaning(*code).to_owned();
    Ok(if ready { Answer::Ready(said) } else { Answer::NotYet(said) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the probe's result for a server with this answer.
    async fn answer(login: Login<'_>, bytes: &[u8]) -> io::Result<Answer> {
        let mut wire = tokio::io::join(bytes, tokio::io::sink());
        converse(&mut wire, &connect(login), login.is_none()).await
    }

    #[tokio::test]
    async fn an_acceptance_is_ready_and_a_demand_for_credentials_too() {
        let accepted = answer(Some(("a", "b")), b"\x20\x02\x00\x00").await.unwrap();
        assert_eq!(accepted, Answer::Ready("connection accepted".into()));
        let locked = answer(None, b"\x20\x02\x00\x05").await.unwrap();
        assert_eq!(locked, Answer::Ready("not authorized".into()));
    }

    #[tokio::test]
    async fn refusals_and_other_protocols_are_not() {
        let refused = answer(Some(("a", "b")), b"\x20\x02\x00\x05").await.unwrap();
        assert_eq!(refused, Answer::NotYet("not authorized".into()));
        let unavailable = answer(None, b"\x20\x02\x00\x03").await.unwrap();
        assert!(matches!(unavailable, Answer::NotYet(_)));
        assert!(matches!(answer(None, b"-\x01x").await.unwrap(), Answer::NotYet(_)));
        assert!(answer(None, b"\x20\x02").await.is_err());
    }
}

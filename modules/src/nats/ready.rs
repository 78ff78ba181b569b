//! The check whether a server is ready, in its own protocol: it answers `PING` after a login.

use std::io;

use castoff::wait::ProbeWait;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::PORT;
use super::config::Options;
use super::session::{Login, line};
use crate::probe::{Answer, until_ready};

pub(super) fn wait(options: &Options) -> ProbeWait {
    let login = Login::of(options);
    until_ready("NATS to answer PING".into(), PORT, move |stream| {
        let login = login.clone();
        async move { converse(stream, &login).await }
    })
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    login: &Login,
) -> io::Result<Answer> {
    let mut stream = BufReader::new(stream);
    let info = line(&mut stream).await?;
    if !info.starts_with("INFO ") {
        return Ok(Answer::NotYet(info));
    }
    stream.get_mut().write_all(&login.greeting()).await?;
    let said = line(&mut stream).await?;
    // The server runs, and needs credentials or TLS that the module does not have.
    let locked = matches!(login, Login::Nobody) && said.contains("Authorization Violation")
        || said.contains("TLS Required");
    Ok(if said == "PONG" || locked { Answer::Ready(said) } else { Answer::NotYet(said) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// Returns the probe's result for a server that sends this and then closes.
    async fn answer(login: Login, bytes: &[u8]) -> io::Result<Answer> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(bytes).await?;
        let server = tokio::spawn(async move {
            let mut greeting = vec![0; login.greeting().len()];
            theirs.read_exact(&mut greeting).await.map(drop)
        });
        let answer = converse(ours, &Login::Nobody).await;
        drop(server.await);
        answer
    }

    #[tokio::test]
    async fn a_pong_is_ready_and_a_demand_for_credentials_too() {
        let ready = answer(Login::Nobody, b"INFO {}\r\nPONG\r\n").await.unwrap();
        assert_eq!(ready, Answer::Ready("PONG".into()));
        let locked = b"INFO {}\r\n-ERR 'Authorization Violation'\r\n";
        assert!(matches!(answer(Login::Nobody, locked).await.unwrap(), Answer::Ready(_)));
    }

    #[tokio::test]
    async fn refusals_and_other_protocols_are_not() {
        let locked = b"INFO {}\r\n-ERR 'Authorization Violation'\r\n";
        let mut wire = tokio::io::join(&locked[..], tokio::io::sink());
        let refused = converse(&mut wire, &Login::system()).await.unwrap();
        assert!(matches!(refused, Answer::NotYet(_)), "{refused:?}");
        let other = answer(Login::Nobody, b"HTTP/1.1 400\r\n").await.unwrap();
        assert!(matches!(other, Answer::NotYet(_)), "{other:?}");
        assert!(answer(Login::Nobody, b"INFO {}\r\nPON").await.is_err());
    }
}

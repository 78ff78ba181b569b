//! The check whether a server answers commands, in its own protocol.
//!
//! The probe sends `AUTH`, if there is a password, and `PING`. Redis documentation, "Redis
//! serialization protocol specification".

use std::io;

use castoff::wait::ProbeWait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::PORT;
use super::resp::command;
use crate::probe::{Answer, text, until_ready};

/// Limit for the length of an answer, in bytes.
const LONGEST: usize = 1024;

pub(super) fn wait(server: &'static str, password: Option<&str>) -> ProbeWait {
    let commands = commands(password);
    until_ready(format!("{server} to answer PING"), PORT, move |mut stream| {
        let commands = commands.clone();
        async move { converse(&mut stream, &commands).await }
    })
}

fn commands(password: Option<&str>) -> Vec<Vec<u8>> {
    let auth = password.map(|password| command(&["AUTH", password]));
    auth.into_iter().chain([command(&["PING"])]).collect()
}

/// Sends the commands in sequence. The first answer that is not a success is the result.
async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    commands: &[Vec<u8>],
) -> io::Result<Answer> {
    let mut last = Vec::new();
    for command in commands {
        stream.write_all(command).await?;
        last = line(stream).await?;
        if !last.starts_with(b"+") {
            break;
        }
    }
    let said = text(&last);
    // The server runs, and needs a password that the module does not have.
    let ready = said == "+PONG" || said.starts_with("-NOAUTH");
    Ok(if ready { Answer::Ready(said) } else { Answer::NotYet(said) })
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < LONGEST {
        line.push(stream.read_u8().await?);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the probe's result for a server that sends this and then closes.
    async fn answer(password: Option<&str>, bytes: &[u8]) -> io::Result<Answer> {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(bytes).await?;
        let server = tokio::spawn(async move {
            let mut first = [0; 4];
            theirs.read_exact(&mut first).await
        });
        let answer = converse(&mut ours, &commands(password)).await;
        server.await??;
        answer
    }

    #[test]
    fn a_password_is_sent_first() {
        assert_eq!(commands(None), [command(&["PING"])]);
        assert_eq!(commands(Some("x")), [command(&["AUTH", "x"]), command(&["PING"])]);
    }

    #[tokio::test]
    async fn a_pong_is_ready_and_a_demand_for_a_password_too() {
        let ready = |text: &str| Answer::Ready(text.into());
        assert_eq!(answer(None, b"+PONG\r\n").await.unwrap(), ready("+PONG"));
        assert_eq!(answer(Some("x"), b"+OK\r\n+PONG\r\n").await.unwrap(), ready("+PONG"));
        let locked = b"-NOAUTH Authentication required.\r\n";
        assert!(matches!(answer(None, locked).await.unwrap(), Answer::Ready(_)));
    }

    #[tokio::test]
    async fn loading_refusals_and_other_protocols_are_not() {
        let loading = b"-LOADING Redis is loading the dataset in memory\r\n";
        let said = "-LOADING Redis is loading the dataset in memory".to_owned();
        assert_eq!(answer(None, loading).await.unwrap(), Answer::NotYet(said));
        let wrong = b"-WRONGPASS invalid username-password pair\r\n";
        assert!(matches!(answer(Some("x"), wrong).await.unwrap(), Answer::NotYet(_)));
        assert!(matches!(answer(None, b"HTTP/1.1 400\r\n").await.unwrap(), Answer::NotYet(_)));
        assert!(answer(None, b"+PO").await.is_err());
    }
}

//! The check whether a broker accepts connections, in its own protocol.
//!
//! The probe opens a connection completely, since the port is open before the broker has loaded its
//! users and virtual hosts. AMQP 0-9-1 specification, sections 2.2.4 and 4.2, and the methods of
//! class 10.

use std::io;

use castoff::WaitFor;
use castoff::wait::{ProbeWait, WaitTarget};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{MANAGEMENT_PORT, PORT};
use crate::http::Request;
use crate::probe::{Answer, text, until_ready};

/// Limit for the length of a frame before the connection is open.
const LONGEST: u32 = 64 << 10;
const CONNECTION: u16 = 10;
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;

/// Returns a wait for a connection to a virtual host.
pub(super) fn connection(user: &str, password: &str, vhost: &str) -> ProbeWait {
    let (who, vhost) = (format!("\0{user}\0{password}"), vhost.to_owned());
    let what = format!("RabbitMQ to open a connection to `{vhost}`");
    until_ready(what, PORT, move |mut stream| {
        let (who, vhost) = (who.clone(), vhost.clone());
        async move { open(&mut stream, &who, &vhost).await }
    })
}

/// Returns a wait for the management interface, which is ready a bit later.
pub(super) fn management(user: &str, password: &str) -> ProbeWait {
    let asking = Request::new("GET", "/api/whoami").with_basic_auth(user, password);
    WaitFor::probe("RabbitMQ's management interface", move |target: WaitTarget| {
        let asking = asking.clone();
        async move {
            let answer = asking.send(target.addr(MANAGEMENT_PORT)?).await?;
            target.record_probe(format!("{}: {}", answer.status, answer.body));
            Ok(answer.status == 200)
        }
    })
}

async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    who: &str,
    vhost: &str,
) -> io::Result<Answer> {
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    loop {
        let (method, arguments) = read(stream).await?;
        match method {
            START => {
                let no_properties = 0_u32.to_be_bytes();
                let answer =
                    [&no_properties[..], &short("PLAIN"), &long(who), &short("en_US")].concat();
                stream.write_all(&frame(START_OK, &answer)).await?;
            }
            TUNE => {
                // Accepts the broker's proposal.
                stream.write_all(&frame(TUNE_OK, &arguments)).await?;
                let path = [&short(vhost)[..], &short(""), &[0]].concat();
                stream.write_all(&frame(OPEN, &path)).await?;
            }
            OPEN_OK => {
                let bye = [&200_u16.to_be_bytes()[..], &short("bye"), &[0; 4]].concat();
                stream.write_all(&frame(CLOSE, &bye)).await?;
                // A connection that is not closed completely causes a warning in the log.
                read(stream).await?;
                return Ok(Answer::Ready("an open connection".into()));
            }
            CLOSE => {
                return Ok(Answer::NotYet(text(arguments.get(3..).unwrap_or_default())));
            }
            other => return Ok(Answer::NotYet(format!("method 10.{other}"))),
        }
    }
}

/// Reads the next method of the connection, with its arguments.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u16, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    stream.read_u16().await?;
    let length = stream.read_u32().await?;
    if kind != 1 || !(4..LONGEST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame unlike AMQP's"));
    }
    if stream.read_u16().await? != CONNECTION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a method of another class"));
    }
    let method = stream.read_u16().await?;
    let mut arguments = vec![0; length as usize - 4];
    stream.read_exact(&mut arguments).await?;
    // The frame's end.
    stream.read_u8().await?;
    Ok((method, arguments))
}

fn frame(method: u16, arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(arguments.len() + 4).unwrap_or(u32::MAX);
    let head = [&[1, 0, 0][..], &length.to_be_bytes()].concat();
    let method = [CONNECTION.to_be_bytes(), method.to_be_bytes()].concat();
    [&head[..], &method, arguments, &[0xce]].concat()
}

/// A short string; the module has seen to it that it is one.
fn short(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], text.as_bytes()].concat()
}

fn long(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(methods: &[(u16, &[u8])]) -> io::Result<Answer> {
        let (mut ours, mut theirs) = tokio::io::duplex(4096);
        for (method, arguments) in methods {
            theirs.write_all(&frame(*method, arguments)).await?;
        }
        let server = tokio::spawn(async move {
            let mut head = [0; 8];
            theirs.read_exact(&mut head).await?;
            Ok::<_, io::Error>((theirs, head))
        });
        let answer = open(&mut ours, "\0u\0p", "/").await;
        assert_eq!(server.await??.1, *b"AMQP\0\0\x09\x01");
        answer
    }

    #[test]
    fn a_frame_has_its_length_and_an_end() {
        assert_eq!(frame(OPEN, &short("/")), b"\x01\0\0\0\0\0\x06\0\x0a\0\x28\x01/\xce");
    }

    #[tokio::test]
    async fn a_connection_that_opens_is_ready_and_one_that_is_closed_is_not() {
        let tune: &[u8] = &[0, 7, 0, 2, 0, 0, 0, 60];
        let opened = answer(&[(START, b""), (TUNE, tune), (OPEN_OK, b"\0"), (51, b"")]).await;
        assert!(matches!(opened.unwrap(), Answer::Ready(_)));
        let closed =
            [(START, &b""[..]), (TUNE, tune), (CLOSE, b"\x02\x12\x0dno such vhost\0\0\0\0")];
        let Answer::NotYet(said) = answer(&closed).await.unwrap() else { panic!("ready") };
        assert!(said.starts_with("no such vhost"), "{said}");
        assert!(read(&mut &b"HTTP/1.1 400 Bad Request\r\n"[..]).await.is_err());
    }
}

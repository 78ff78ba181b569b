//! Probes that ask a server whether it is ready.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Error, ErrorKind, WaitFor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Limit for the answer to one probe; then the server is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The answer of a server, as text for the reader of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ready(String),
    NotYet(String),
}

/// Returns a wait that connects to a port and runs a dialog until it reports that the server is
/// ready.
///
/// A refused connection and one that ends early mean that it is not: an engine's proxy accepts
/// before the server listens, and closes again.
pub(crate) fn until_ready<F, Fut>(what: String, port: u16, converse: F) -> ProbeWait
where
    F: Fn(TcpStream) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Answer>> + Send + 'static,
{
    WaitFor::probe(what, move |target: WaitTarget| {
        let converse = converse.clone();
        async move {
            let addr = target.addr(port)?;
            let answer = ask(addr, converse)
                .await
                .map_err(|error| Error::new(ErrorKind::Io, addr.to_string()).with_source(error))?;
            let (ready, text) = match answer {
                Answer::Ready(text) => (true, text),
                Answer::NotYet(text) => (false, text),
            };
            target.record_probe(format!("{addr} answered: {text}"));
            Ok(ready)
        }
    })
}

async fn ask<F, Fut>(addr: SocketAddr, converse: F) -> io::Result<Answer>
where
    F: Fn(TcpStream) -> Fut,
    Fut: Future<Output = io::Result<Answer>>,
{
    let asking = async { converse(TcpStream::connect(addr).await?).await };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends a request and reads one answer, in a protocol whose messages follow their length: four
/// bytes, the most significant first.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
    longest: u32,
) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let length = stream.read_u32().await?;
    if length > longest {
        let what = format!("an answer of {length} bytes, unlike this protocol's");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Converts a server's bytes to text for the reader of an error.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

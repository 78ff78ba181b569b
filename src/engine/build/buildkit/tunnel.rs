//! A session within a call: BuildKit's messages in it are the bytes of another connection, on which
//! this side is the server (`moby.buildkit.v1.Control/Session`).

use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::BytesMessage;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use futures_util::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap};
use tonic::{Request, Streaming};

use super::super::super::Client;
use crate::error::{Error, ErrorKind, Result};

/// The bytes of a message, and of the buffer for the other side.
const PIECE: usize = 32 << 10;
const BUFFER: usize = 256 << 10;
/// Limit for the engine to begin.
const LIMIT: Duration = Duration::from_secs(20);

/// Opens a session, with metadata in place of the headers of `POST /session`.
///
/// # Cancel safety
/// Dropping the future, or later the stream, ends the call.
pub(super) async fn open(
    engine: &Client,
    headers: &[(&'static str, String)],
) -> Result<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let (outgoing, mut incoming) = tokio::io::split(theirs);
    let mut request = Request::new(messages(outgoing));
    *request.metadata_mut() = metadata(headers);
    let mut client = ControlClient::new(engine.native().await?);
    let failed =
        |error| Error::new(ErrorKind::Unsupported, "no session by gRPC").with_source(error);
    let answer = tokio::time::timeout(LIMIT, client.session(request)).await;
    let answer = answer.map_err(|_| Error::new(ErrorKind::Timeout, "no session by gRPC"))?;
    let mut messages: Streaming<BytesMessage> = answer.map_err(failed)?.into_inner();
    tokio::spawn(async move {
        // The end of either side is the end of the connection.
        while let Ok(Some(message)) = messages.message().await {
            if incoming.write_all(&message.data).await.is_err() {
                break;
            }
        }
    });
    Ok(ours)
}

fn messages(outgoing: ReadHalf<DuplexStream>) -> impl Stream<Item = BytesMessage> + Send {
    futures_util::stream::unfold(outgoing, |mut outgoing| async move {
        let mut data = vec![0; PIECE];
        let read = outgoing.read(&mut data).await.ok().filter(|read| *read > 0)?;
        data.truncate(read);
        Some((BytesMessage { data }, outgoing))
    })
}

fn metadata(headers: &[(&'static str, String)]) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (name, value) in headers {
        let name = MetadataKey::<Ascii>::from_bytes(name.to_ascii_lowercase().as_bytes());
        match (name, value.parse()) {
            (Ok(name), Ok(value)) => drop(metadata.append(name, value)),
            // A path may have any name; it is only a key.
            _ => tracing::debug!(value, "is not told"),
        }
    }
    metadata
}

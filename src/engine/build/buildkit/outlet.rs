//! Outputs other than an image of the engine: BuildKit sends an archive.

use std::pin::Pin;

use bollard_buildkit_proto::moby::filesync::v1::BytesMessage;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSend;
use futures_util::{Stream, stream};
use tonic::{Request, Response, Status, Streaming};

use super::super::Sink;

pub(super) struct Outlet(pub(super) Sink);

#[tonic::async_trait]
impl FileSend for Outlet {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let sink = self.0.clone();
        let incoming = request.into_inner();
        // The answer's headers are sent at once, and its end when everything has been received:
        // only the end tells BuildKit that the output has arrived.
        let taken = stream::once(async move { take(incoming, sink).await });
        let answer =
            futures_util::StreamExt::filter_map(taken, |taken| async { taken.err().map(Err) });
        Ok(Response::new(Box::pin(answer)))
    }
}

async fn take(mut incoming: Streaming<BytesMessage>, sink: Sink) -> Result<(), Status> {
    while let Some(message) = incoming.message().await? {
        let sent = sink.send(Ok(message.data.into())).await;
        sent.map_err(|_| Status::cancelled("nobody takes the output any more"))?;
    }
    Ok(())
}

//! [`TarStream`]: an archive that is generated while it is sent.

use std::io::{self, Write};
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::sync::mpsc;

/// The pieces of an archive.
pub(crate) type TarStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Size of the pieces that are sent.
pub(crate) const PIECE: usize = 256 * 1024;
const UNDER_WAY: usize = 4;

/// Returns a stream of `head` and of the bytes that `work` writes after it, on a thread for
/// blocking work. The pieces pass through a short channel, so that only a few of them are in
/// memory.
pub(crate) fn written(
    head: &[u8],
    work: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static,
) -> TarStream {
    let (pieces, sent) = mpsc::channel(UNDER_WAY);
    let mut pipe = Pipe { pieces, buffer: BytesMut::from(head) };
    tokio::task::spawn_blocking(move || {
        if let Err(error) = work(&mut pipe).and_then(|()| pipe.flush()) {
            // The receiver is gone once the request has ended.
            let _ = pipe.pieces.blocking_send(Err(error));
        }
    });
    Box::pin(futures_util::stream::unfold(sent, |mut sent| async move {
        Some((sent.recv().await?, sent))
    }))
}

/// A writer that collects bytes into pieces and sends them.
pub(crate) struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = self.buffer.split().freeze();
        self.buffer.reserve(PIECE);
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_comes_in_pieces_after_the_head() {
        let stream =
            written(b"head", |pipe| (0..3).try_for_each(|n| pipe.write_all(&vec![n; PIECE / 2])));
        let pieces: Vec<Bytes> = stream.map(Result::unwrap).collect().await;
        assert_eq!(pieces.len(), 2);
        let mut all = b"head".to_vec();
        (0..3).for_each(|n| all.extend(vec![n; PIECE / 2]));
        assert_eq!(pieces.concat(), all);
    }

    #[tokio::test]
    async fn a_failure_is_the_last_that_comes() {
        let stream = written(b"", |pipe| {
            pipe.write_all(&[0; PIECE])?;
            Err(io::ErrorKind::NotFound.into())
        });
        let pieces: Vec<_> = stream.collect().await;
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1].as_ref().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

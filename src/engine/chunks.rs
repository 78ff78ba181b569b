//! [`ChunkReader`]: reads an archive that arrives in chunks, for code that blocks.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// A reader of the chunks that are sent to it, for a thread that may block.
pub(crate) struct ChunkReader {
    source: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl ChunkReader {
    pub(crate) fn new(source: mpsc::Receiver<io::Result<Bytes>>) -> ChunkReader {
        ChunkReader { source, current: Bytes::new() }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.source.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let size = self.current.len().min(into.len());
        self.current.copy_to_slice(&mut into[..size]);
        Ok(size)
    }
}

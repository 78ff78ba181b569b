//! A test's handle to one container.

use std::sync::Arc;

use super::state::{Container, Entry, Shared, Stream};

/// A handle that makes one container act.
#[derive(Clone, Debug)]
pub(crate) struct FakeContainer {
    shared: Arc<Shared>,
    id: String,
}

impl FakeContainer {
    pub(super) fn new(shared: Arc<Shared>, id: String) -> Self {
        Self { shared, id }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the current container, or its state at its removal.
    pub(crate) fn snapshot(&self) -> Container {
        let found = self.shared.read(|s| s.dead_or_alive(&self.id).map(|(c, _)| c.clone()));
        found.unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        self.snapshot().name
    }

    /// Prints like the json-file driver would: a frame per line.
    pub(crate) fn log(&self, stream: Stream, bytes: impl AsRef<[u8]>) {
        for line in bytes.as_ref().split_inclusive(|b| *b == b'\n') {
            self.log_frame(stream, line);
        }
    }

    /// Prints one frame, regardless of line ends.
    pub(crate) fn log_frame(&self, stream: Stream, bytes: impl AsRef<[u8]>) {
        self.log_many(stream, bytes, 1);
    }

    /// Prints the same frame many times, without storing it many times.
    pub(crate) fn log_many(&self, stream: Stream, bytes: impl AsRef<[u8]>, times: u64) {
        let bytes = Arc::new(bytes.as_ref().to_vec());
        self.shared.update(|s| s.log(&self.id, Entry::Frame { stream, bytes, times }));
    }

    /// Sends these bytes to followers unchanged, frame headers or not.
    pub(crate) fn log_raw(&self, wire: impl AsRef<[u8]>) {
        let wire = Arc::new(wire.as_ref().to_vec());
        self.shared.update(|s| s.log(&self.id, Entry::Raw(wire)));
    }

    /// Ends its process: followers end, `/wait` answers, and a `die` event is sent.
    pub(crate) fn exit(&self, code: i64, oom: bool) {
        self.shared.update(|s| s.exit(&self.id, code, oom));
    }

    /// Reports that it ran out of memory, after its end was reported.
    pub(crate) fn out_of_memory_after_all(&self) {
        self.shared.update(|s| s.emit_container(&self.id, "oom", &[]));
    }

    /// Sets its health: `starting`, `healthy` or `unhealthy`. Sends an event, and shows it in an
    /// inspect.
    pub(crate) fn health(&self, status: &str) {
        self.health_with(status, "");
    }

    /// Sets its health like [`FakeContainer::health`], with the output of the probe.
    pub(crate) fn health_with(&self, status: &str, output: &str) {
        self.shared.update(|s| s.health(&self.id, status, output));
    }

    /// Removes it without any request.
    pub(crate) fn vanish(&self) {
        self.shared.update(|s| {
            s.exit(&self.id, 137, false);
            s.remove(&self.id, true);
        });
    }

    /// Sets the answer to `GET archive?path=` for this path.
    pub(crate) fn put_archive(&self, path: &str, tar: impl AsRef<[u8]>) {
        let entry = (path.to_owned(), Arc::new(tar.as_ref().to_vec()));
        self.shared.update(|s| s.container_mut(&self.id).map(|c| c.archives.push(entry)));
    }
}

/// Returns bytes with the 8-byte header of a multiplexed stream, for [`FakeContainer::log_raw`].
pub(crate) fn frame(stream: Stream, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    super::stream::framed(stream, bytes.as_ref())
}

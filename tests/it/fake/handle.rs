//! A test's hand on one container.

use std::sync::Arc;

use super::state::{Container, Entry, Shared, Stream};

/// Lets things happen to one container.
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

    /// The container as it is, or was when it was removed.
    pub(crate) fn snapshot(&self) -> Container {
        let found = self.shared.read(|s| s.dead_or_alive(&self.id).map(|(c, _)| c.clone()));
        found.unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        self.snapshot().name
    }

    /// Prints, as the json-file driver would: a frame per line.
    pub(crate) fn log(&self, stream: Stream, bytes: impl AsRef<[u8]>) {
        for line in bytes.as_ref().split_inclusive(|b| *b == b'\n') {
            self.log_frame(stream, line);
        }
    }

    /// Prints one frame, wherever its lines end.
    pub(crate) fn log_frame(&self, stream: Stream, bytes: impl AsRef<[u8]>) {
        self.log_many(stream, bytes, 1);
    }

    /// Prints the same frame many times, without holding it many times.
    pub(crate) fn log_many(&self, stream: Stream, bytes: impl AsRef<[u8]>, times: u64) {
        let bytes = Arc::new(bytes.as_ref().to_vec());
        self.shared.update(|s| s.log(&self.id, Entry::Frame { stream, bytes, times }));
    }

    /// Sends these bytes to followers as they are, frame headers or not.
    pub(crate) fn log_raw(&self, wire: impl AsRef<[u8]>) {
        let wire = Arc::new(wire.as_ref().to_vec());
        self.shared.update(|s| s.log(&self.id, Entry::Raw(wire)));
    }

    /// Its process ends: followers end, `/wait` answers, a `die` event goes out.
    pub(crate) fn exit(&self, code: i64, oom: bool) {
        self.shared.update(|s| s.exit(&self.id, code, oom));
    }

    /// The engine notes that it ran out of memory, later than it noted its end.
    pub(crate) fn out_of_memory_after_all(&self) {
        self.shared.update(|s| s.emit_container(&self.id, "oom", &[]));
    }

    /// `starting`, `healthy` or `unhealthy`; goes out as an event and shows in inspect.
    pub(crate) fn health(&self, status: &str) {
        self.health_with(status, "");
    }

    /// As [`FakeContainer::health`], with the output of the probe.
    pub(crate) fn health_with(&self, status: &str, output: &str) {
        self.shared.update(|s| s.health(&self.id, status, output));
    }

    /// Removes it behind everybody's back.
    pub(crate) fn vanish(&self) {
        self.shared.update(|s| {
            s.exit(&self.id, 137, false);
            s.remove(&self.id, true);
        });
    }

    /// What `GET archive?path=` gives back for this path.
    pub(crate) fn put_archive(&self, path: &str, tar: impl AsRef<[u8]>) {
        let entry = (path.to_owned(), Arc::new(tar.as_ref().to_vec()));
        self.shared.update(|s| s.container_mut(&self.id).map(|c| c.archives.push(entry)));
    }
}

/// Bytes with the 8-byte header of a multiplexed stream, for [`FakeContainer::log_raw`].
pub(crate) fn frame(stream: Stream, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    super::stream::framed(stream, bytes.as_ref())
}

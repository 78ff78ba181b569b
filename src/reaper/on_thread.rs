//! Work that may wait for the file system or a lock, on threads that nothing waits for.

use crate::error::{Error, ErrorKind, Result};

/// Runs something that may wait for a lock, on a thread that nobody waits for: neither a runtime
/// that shuts down nor a process that ends.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (done, output) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("castoff-lock".into());
    let started = thread.spawn(move || {
        // Dropped, with the lock in it, if nobody waits any more.
        let _ = done.send(work());
    });
    started.map_err(|error| {
        Error::new(ErrorKind::Io, "no thread could be started to look at the state directory on")
            .with_source(error)
    })?;
    output.await.unwrap_or_else(|_| {
        Err(Error::other("a thread that looks at the state directory was lost"))
    })
}

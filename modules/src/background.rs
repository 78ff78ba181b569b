//! The thread on which this crate talks to servers on behalf of handles.
//!
//! Tests come and go with runtimes of their own, and a handle may be dropped without any. So there
//! is one thread for all of it, which lives as long as the process.

use std::io;
use std::sync::OnceLock;

use castoff::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};

use crate::per_process::PerProcess;

/// The thread's runtime. What is spawned there goes on whatever becomes of its caller.
pub(crate) fn thread() -> Result<Handle> {
    static THREAD: PerProcess<OnceLock<Handle>> = PerProcess::new();
    let place = THREAD.here();
    if let Some(handle) = place.get() {
        return Ok(handle.clone());
    }
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Io, "can't start the background thread").with_source(error)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    // Two that come first at the same time have a thread each, of which one goes unused.
    let name = "castoff-modules".to_owned();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name(name).spawn(run).map_err(failed)?;
    Ok(place.get_or_init(|| handle).clone())
}

/// Runs something there and waits for it. It goes on when the future is dropped.
pub(crate) async fn run<T: Send + 'static>(
    thread: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = thread.spawn(work).await;
    done.unwrap_or_else(|error| Err(Error::other("the background thread").with_source(error)))
}

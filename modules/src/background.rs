//! The thread on which this crate talks to servers on behalf of handles.
//!
//! Tests come and go with runtimes of their own, and a handle may be dropped outside of any
//! runtime. So one thread serves all handles, and lives as long as the process.

use std::io;
use std::sync::OnceLock;

use castoff::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};

use crate::per_process::PerProcess;

/// Returns the thread's runtime. Tasks spawned there continue independently of their caller.
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
    // If two callers come first at the same time, each starts a thread, and one goes unused.
    let name = "castoff-modules".to_owned();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name(name).spawn(run).map_err(failed)?;
    Ok(place.get_or_init(|| handle).clone())
}

/// Runs a future on the thread and waits for it. It continues when the caller's future is dropped.
pub(crate) async fn run<T: Send + 'static>(
    thread: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = thread.spawn(work).await;
    done.unwrap_or_else(|error| Err(Error::other("the background thread").with_source(error)))
}

//! [`Guard`]: RAII over one resource of an engine.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::removal::{self, Kind, Target};
use super::session::Session;
use super::watch_over;
use super::worker::Worker;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::spec::label;
use crate::timed::timed;

/// How long a drop waits for its removal where no guardian stands behind it.
const UNGUARDED_WAIT: Duration = Duration::from_secs(10);

/// Owns one resource: armed before the create call, it removes when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    engine: Engine,
    kind: Kind,
    /// The value of the resource's own label.
    resource: String,
    /// The id (a volume's name), once the engine has told it.
    id: OnceLock<String>,
    armed: AtomicBool,
    /// Whether a guardian would remove it if this process died.
    guarded: bool,
    /// What this one needs, and what therefore goes after it.
    uses: Mutex<Vec<Arc<Guard>>>,
}

impl Guard {
    /// Arms a guard for something that is about to be created, and everything behind it: the
    /// teardown thread and the guardian.
    pub(crate) fn arm(engine: &Engine, kind: Kind) -> Result<Guard> {
        Worker::start()?;
        // The guardian does not remove images.
        let guarded = kind != Kind::Image && watch_over::arm(engine);
        Ok(Guard {
            engine: engine.clone(),
            kind,
            resource: Session::current().next_name(),
            id: OnceLock::new(),
            armed: AtomicBool::new(true),
            guarded,
            uses: Mutex::default(),
        })
    }

    /// The unique name that was chosen for it.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// The labels to send in the create call.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        Session::current().labels(&self.resource)
    }

    /// It exists, under this id.
    pub(crate) fn created(&self, id: &str) {
        let _ = self.id.set(id.to_owned());
    }

    /// It was not created: the engine answered so. What an engine that did not answer, or that
    /// failed itself, has done is unknown, and the guard stays armed.
    pub(crate) fn refused(&self, error: &Error) {
        if error.status().is_some_and(|status| status < 500) && self.disarm() {
            self.done();
        }
    }

    /// Whether labels that the engine told are those of this very resource.
    pub(crate) fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(label::RESOURCE) == Some(&self.resource)
    }

    pub(crate) fn id(&self) -> &str {
        self.id.get().map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps another resource alive as long as this one exists.
    pub(crate) fn uses(&self, other: &Arc<Guard>) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).push(other.clone());
    }

    /// Lets the resource live on, also after the end of the process.
    pub(crate) fn keep(&self) {
        if self.disarm() {
            watch_over::keep(&self.engine, self.kind, self.id());
            self.done();
        }
        // What it uses can't be removed while it lives.
        for other in self.take_uses() {
            other.keep();
        }
    }

    /// Removes it now and says how that went. The guard stays armed when it failed.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub(crate) async fn remove(&self) -> Result<()> {
        if !self.disarm() {
            return Ok(());
        }
        let Some(worker) = Worker::current() else { return Ok(()) };
        let outcome = worker.remove(self.engine.endpoint(), self.removal());
        let result = outcome
            .await
            .unwrap_or_else(|_| Err(Error::other("the teardown thread lost a removal")));
        if result.is_err() {
            self.armed.store(true, Ordering::SeqCst);
        }
        result
    }

    /// What the drop does, within the removal of the last one that used it. Says how it went in
    /// the log alone.
    fn release(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let removal = self.disarm().then(|| self.removal());
        Box::pin(async move {
            if let Some(removal) = removal {
                let _ = removal.await;
            }
        })
    }

    /// Whether it was armed.
    fn disarm(&self) -> bool {
        self.armed.swap(false, Ordering::SeqCst)
    }

    /// There is nothing any more for the guardian to remove.
    fn done(&self) {
        if self.guarded {
            watch_over::done(&self.engine);
        }
    }

    fn take_uses(&self) -> Vec<Arc<Guard>> {
        std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn removal(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let (engine, kind, guarded) = (self.engine.clone(), self.kind, self.guarded);
        let target = match self.id.get() {
            Some(id) => Target::Known(id.clone()),
            None => Target::Unknown(self.resource.clone()),
        };
        let uses = self.take_uses();
        async move {
            let span = tracing::debug_span!("remove", ?kind, ?target);
            let result = timed(span, removal::remove(&engine, kind, &target)).await;
            // Only now may what it used go, and as part of this: whoever waits until this name,
            // port or subnet is free waits for all of it.
            if result.is_ok() {
                if guarded {
                    watch_over::done(&engine);
                }
                let released = uses.into_iter().filter_map(Arc::into_inner);
                futures_util::future::join_all(released.map(Guard::release)).await;
            }
            if let Err(error) = &result {
                tracing::warn!(?kind, ?target, ?error, "could not be removed");
            }
            result
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.disarm() {
            return;
        }
        let Some(worker) = Worker::current() else { return };
        let outcome = worker.remove(self.engine.endpoint(), self.removal());
        if !self.guarded && !Worker::is_here() {
            wait_briefly(outcome);
        }
    }
}

/// Blocks this thread, whatever runs on it, until the removal is done or the limit is reached.
fn wait_briefly(outcome: tokio::sync::oneshot::Receiver<Result<()>>) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    // A thread without its handle (at its very end) is not waited on.
    let thread = std::thread::current();
    let waker = Arc::new(Unpark(thread)).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut outcome = std::pin::pin!(outcome);
    let start = std::time::Instant::now();
    while outcome.as_mut().poll(&mut context).is_pending() {
        match UNGUARDED_WAIT.checked_sub(start.elapsed()) {
            Some(left) => std::thread::park_timeout(left),
            None => return,
        }
    }
}

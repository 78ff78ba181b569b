//! [`Worker`]: the teardown thread.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::guardian::watch_forks;
use crate::engine::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::{PerProcess, Process};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The removals under way, by number: the engine, and a channel that closes at the end.
type Removals = BTreeMap<u64, (Endpoint, watch::Receiver<()>)>;

/// One thread with a current-thread runtime, for the life of the process: submitted work runs to
/// its end whatever happens to the caller's future, runtime or thread.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    removals: Mutex<Removals>,
    next: AtomicU64,
}

/// The worker of each process: a forked child has none of its parent's threads.
static WORKER: PerProcess<OnceLock<Worker>> = PerProcess::new();

thread_local! {
    static IS_WORKER: Cell<Option<Process>> = const { Cell::new(None) };
}

impl Worker {
    /// Returns the worker of this process, starting it on the first call.
    pub(crate) fn start() -> Result<&'static Worker> {
        let place = WORKER.here();
        if let Some(worker) = place.get() {
            return Ok(worker);
        }
        watch_forks();
        let worker = Worker::spawn_thread().map_err(|error| {
            Error::new(ErrorKind::Io, "the teardown thread could not be started").with_source(error)
        })?;
        // Two first calls at once start two threads; the loser's ends with its channel.
        Ok(place.get_or_init(|| worker))
    }

    /// Returns the worker, if one was started in this process.
    pub(crate) fn current() -> Option<&'static Worker> {
        WORKER.here().get()
    }

    fn spawn_thread() -> std::io::Result<Worker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        std::thread::Builder::new().name("castoff-teardown".into()).spawn(move || {
            IS_WORKER.set(Some(Process::current()));
            runtime.block_on(async move {
                while let Some(job) = queue.recv().await {
                    tokio::spawn(job);
                }
            });
        })?;
        Ok(Worker { jobs, removals: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Runs a future to its end and returns its output.
    ///
    /// # Cancel safety
    /// Dropping the returned future does not stop the work; the output is then dropped on the
    /// worker, which removes what it owns.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        let work = Box::pin(work);
        async move {
            let (done, output) = oneshot::channel();
            self.submit(async move {
                let _ = done.send(work.await);
            });
            output
                .await
                .map_err(|_| Error::other("the teardown thread dropped a task before it finished"))
        }
    }

    /// Does the same as [`run`](Self::run), for work that has to end when nobody waits for its
    /// output any more.
    pub(crate) fn run_while_wanted<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        let work = Box::pin(work);
        async move {
            let (mut done, output) = oneshot::channel();
            self.submit(async move {
                let wanted = Box::pin(done.closed());
                let ended = match futures_util::future::select(work, wanted).await {
                    futures_util::future::Either::Left((outcome, _)) => Some(outcome),
                    futures_util::future::Either::Right(_) => None,
                };
                if let Some(outcome) = ended {
                    let _ = done.send(outcome);
                }
            });
            output
                .await
                .map_err(|_| Error::other("the teardown thread dropped a task before it finished"))
        }
    }

    /// Runs a creation, and once more if one of our resources that was being removed was in its
    /// way, by its name or its subnet.
    pub(crate) async fn create<T: Send + 'static, F>(
        &self,
        engine: &Endpoint,
        create: impl Fn() -> F,
        is_in_the_way: impl Fn(&Error) -> bool,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        // Checked beforehand: the obstacle may be gone by the time the engine has refused.
        let busy = self.is_busy(engine);
        match self.run(create()).await? {
            Err(error) if is_in_the_way(&error) && (busy || self.is_busy(engine)) => {
                self.settled(engine).await;
                self.run(create()).await?
            }
            outcome => outcome,
        }
    }

    pub(crate) fn submit(&self, work: impl Future<Output = ()> + Send + 'static) {
        let span = tracing::Span::current();
        let work = tracing::Instrument::instrument(work, span);
        // The receiver lives as long as the process.
        let _ = self.jobs.send(Box::pin(work));
    }

    /// Starts a removal and returns at once. The channel gets its outcome.
    pub(crate) fn remove(
        &'static self,
        engine: &Endpoint,
        removal: impl Future<Output = Result<()>> + Send + 'static,
    ) -> oneshot::Receiver<Result<()>> {
        let (outcome, receiver) = oneshot::channel();
        let (ended, end) = watch::channel(());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, (engine.clone(), end));
        self.submit(async move {
            let result = removal.await;
            self.lock().remove(&number);
            drop(ended);
            let _ = outcome.send(result);
        });
        receiver
    }

    /// Returns whether removals are under way on an engine.
    pub(crate) fn is_busy(&self, engine: &Endpoint) -> bool {
        self.lock().values().any(|(there, _)| there == engine)
    }

    /// Waits for the removals that are under way on an engine now.
    pub(crate) async fn settled(&self, engine: &Endpoint) {
        let on_it = |(there, end): &(Endpoint, _)| (there == engine).then(|| Clone::clone(end));
        let under_way: Vec<watch::Receiver<()>> = self.lock().values().filter_map(on_it).collect();
        for mut end in under_way {
            // An error means that the sender is gone, which is the end of the removal.
            while end.changed().await.is_ok() {}
        }
    }

    /// Waits for all removals that are under way now.
    pub(crate) async fn all_settled(&self) {
        let under_way: Vec<_> = self.lock().values().map(|(_, end)| end.clone()).collect();
        for mut end in under_way {
            while end.changed().await.is_ok() {}
        }
    }

    /// Returns whether this is the worker's own thread, which must never wait for itself.
    pub(crate) fn is_here() -> bool {
        // At a thread's end its locals may be gone; the worker's thread never ends.
        IS_WORKER.try_with(Cell::get).ok().flatten().is_some_and(Process::is_current)
    }

    fn lock(&self) -> MutexGuard<'_, Removals> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_the_caller_lets_go() {
        let worker = Worker::start().unwrap();
        let (gate, open) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let running = worker.run(async move {
            let _ = open.await;
            let _ = done.send(());
        });
        let waited = tokio::time::timeout(std::time::Duration::ZERO, running).await;
        assert!(waited.is_err(), "the work waits for the gate");
        gate.send(()).unwrap();
        finished.await.unwrap();
    }

    #[tokio::test]
    async fn settled_waits_for_what_is_under_way() {
        let worker = Worker::start().unwrap();
        let (gate, open) = oneshot::channel::<()>();
        let [here, elsewhere] = ["/here", "/elsewhere"].map(|path| Endpoint::Unix(path.into()));
        let outcome = worker.remove(&here, async move {
            let _ = open.await;
            Ok(())
        });
        assert!(worker.is_busy(&here) && !worker.is_busy(&elsewhere));
        worker.settled(&elsewhere).await;
        let mut settled = std::pin::pin!(worker.settled(&here));
        let early = tokio::time::timeout(std::time::Duration::ZERO, settled.as_mut()).await;
        assert!(early.is_err());
        gate.send(()).unwrap();
        settled.await;
        outcome.await.unwrap().unwrap();
    }
}

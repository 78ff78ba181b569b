//! Gates, at which requests wait for the test.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    arrived: usize,
    abandoned: usize,
    released: bool,
}

/// A gate that holds requests until it is released. Clones are the same gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    watch: Arc<watch::Sender<GateState>>,
    sync: Arc<(Mutex<()>, Condvar)>,
}

impl Gate {
    pub(super) fn new() -> Self {
        let watch = Arc::new(watch::Sender::new(GateState::default()));
        Self { watch, sync: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.sync.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, edit: impl FnOnce(&mut GateState)) {
        let _guard = self.lock();
        self.watch.send_modify(edit);
        self.sync.1.notify_all();
    }

    async fn until(&self, test: impl Fn(&GateState) -> bool) {
        let _ = self.watch.subscribe().wait_for(|state| test(state)).await;
    }

    pub(super) fn arrive(&self) {
        self.edit(|state| state.arrived += 1);
    }

    pub(super) fn abandon(&self) {
        self.edit(|state| state.abandoned += 1);
    }

    pub(super) async fn released(&self) {
        self.until(|state| state.released).await;
    }

    /// Waits for the first request to arrive.
    pub(crate) async fn arrived(&self) {
        self.until(|state| state.arrived > 0).await;
    }

    /// Waits for `n` requests to have arrived.
    pub(crate) async fn arrived_times(&self, n: usize) {
        self.until(|state| state.arrived >= n).await;
    }

    /// Waits for the client of a held request to hang up.
    pub(crate) async fn abandoned(&self) {
        self.until(|state| state.abandoned > 0).await;
    }

    /// Waits like [`Gate::arrived`], for threads; panics after `timeout`.
    #[track_caller]
    pub(crate) fn wait_arrived(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut guard = self.lock();
        while self.watch.borrow().arrived == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request arrived at the gate within {timeout:?}");
            guard = match self.sync.1.wait_timeout(guard, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.watch.borrow().arrived
    }

    /// Lets held requests continue, and later ones pass.
    pub(crate) fn release(&self) {
        self.edit(|state| state.released = true);
    }
}

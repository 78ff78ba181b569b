//! [`Pending`]: the removal of one guard's resource, tried as long as the process lives.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::create_call::CreateCall;
use super::guard::Guard;
use super::kind::Kind;
use super::lease::Lease;
use super::removal::{self, Removed, Target};
use super::watch_over;
use super::worker::Worker;
use crate::engine::Engine;
use crate::error::Result;
use crate::timed::timed;

/// The pause before a removal that failed is begun anew; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause: an engine that is back is rid of what was dropped within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) type Removal = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What other resources a resource needs, which therefore go after it.
pub(super) type Uses = Arc<Mutex<Vec<Arc<Guard>>>>;

/// What was made on the way to a resource. Dropping it removes that, which is done when the resource
/// is gone; where that is kept, its trail is as well.
pub(crate) trait Trail: std::fmt::Debug + Send + Sync {
    /// Leaves all of it where it is.
    fn keep(&self);
}

/// What is to be removed, and what goes after it.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) engine: Engine,
    pub(super) kind: Kind,
    pub(super) target: Target,
    pub(super) lease: Option<Arc<Lease>>,
    pub(super) call: Arc<CreateCall>,
    /// Whether it is a share under that lease, which is given back.
    pub(super) shares: bool,
    pub(super) uses: Uses,
    /// Held until it is gone.
    pub(super) _trail: Option<Arc<dyn Trail>>,
}

impl Pending {
    /// Tries to remove it for some seconds. What it used goes only when it is gone.
    pub(super) fn once(&self) -> Removal {
        let pending = self.clone();
        Box::pin(async move {
            let result = match &pending.lease {
                Some(lease) if pending.shares => pending.give_back(lease).await,
                _ => pending.remove().await,
            };
            if result.is_ok() {
                // As part of this: whoever waits until this name, port or subnet is free waits for
                // all of it.
                release_all(pending.uses).await;
            }
            result
        })
    }

    /// As [`once`](Self::once), and when an engine that is away or busy kept it from success, goes
    /// on in the background. By then it no longer counts as under way: nobody waits for it.
    pub(super) fn until_gone(self) -> Removal {
        Box::pin(async move {
            let result = self.once().await;
            if let (Err(error), Some(worker)) = (&result, Worker::current())
                && removal::may_pass(error)
            {
                worker.submit(self.persist());
            }
            result
        })
    }

    async fn persist(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match self.once().await {
                Err(error) if removal::may_pass(&error) => {}
                _ => return,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn give_back(&self, lease: &Arc<Lease>) -> Result<()> {
        let result = lease.clone().leave().await;
        if let Err(error) = &result {
            tracing::warn!(?error, "what was shared could not be removed");
        }
        result.map(drop)
    }

    async fn remove(&self) -> Result<()> {
        let Pending { engine, kind, target, .. } = self;
        let span = tracing::debug_span!("remove", ?kind, ?target);
        let result = timed(span, removal::remove(engine, *kind, target)).await;
        // The engine may be at it still: the guardian, and a sweep, have to look once more.
        let sure = !matches!((target, &result), (Target::Unknown(_), Ok(Removed::Nothing)));
        if result.is_ok() && sure {
            self.call.answered();
            count_off(engine, self.lease.as_ref());
        }
        if let Err(error) = &result {
            tracing::warn!(?kind, ?target, ?error, "could not be removed");
        }
        result.map(drop)
    }
}

/// One resource of this process is no more.
pub(super) fn count_off(engine: &Engine, lease: Option<&Arc<Lease>>) {
    match lease {
        Some(lease) => lease.gone(),
        None => watch_over::done(engine),
    }
}

pub(super) fn take(uses: &Uses) -> Vec<Arc<Guard>> {
    std::mem::take(&mut *uses.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn release_all(uses: Uses) {
    let released = take(&uses).into_iter().filter_map(Arc::into_inner);
    futures_util::future::join_all(released.map(Guard::release)).await;
}

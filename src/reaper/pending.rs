//! [`Pending`]: the removal of one guard's resource, tried as long as the process lives.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::create_call::CreateCall;
use super::kind::Kind;
use super::lease::Lease;
use super::owner::Owner;
use super::removal::{self, Removed, Target};
use super::worker::Worker;
use crate::engine::Client;
use crate::error::Result;
use crate::timed::timed;

/// The pause before a removal that failed is begun anew; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause: an engine that is back is rid of what was dropped within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) type Removal = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The removal of what a resource depended on, as far as others wait for it.
pub(super) type Release = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A resource that another one needs, and that therefore goes after it.
pub(super) trait Dependency: std::fmt::Debug + Send + Sync {
    /// Lets it live on.
    fn keep(&self);

    /// Removes it, unless something else holds it still.
    fn release(self: Arc<Self>) -> Release;
}

/// What a resource depends on.
pub(super) type Dependencies = Arc<Mutex<Vec<Arc<dyn Dependency>>>>;

/// What was made on the way to a resource. Dropping it removes that, which is done when the
/// resource is gone; where that is kept, its trail is as well.
pub(crate) trait Trail: std::fmt::Debug + Send + Sync {
    /// Leaves all of it where it is.
    fn keep(&self);
}

/// What is to be removed, and what goes after it.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) engine: Client,
    pub(super) owner: Arc<Owner>,
    pub(super) kind: Kind,
    pub(super) target: Target,
    pub(super) lease: Option<Arc<Lease>>,
    pub(super) call: Arc<CreateCall>,
    /// Whether it is a share under that lease, which is given back.
    pub(super) shares: bool,
    pub(super) depends_on: Dependencies,
    /// Held until it is gone.
    pub(super) _trail: Option<Arc<dyn Trail>>,
}

impl Pending {
    /// Tries to remove it for some seconds. What it depended on goes only when it is gone.
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
                release_all(&pending.depends_on).await;
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
            count_off(&self.owner, self.lease.as_ref());
        }
        if let Err(error) = &result {
            tracing::warn!(?kind, ?target, ?error, "could not be removed");
        }
        result.map(drop)
    }
}

/// Notes that one resource of this process is no more.
pub(super) fn count_off(owner: &Owner, lease: Option<&Arc<Lease>>) {
    match lease {
        Some(lease) => lease.gone(),
        None => owner.owns_one_less(),
    }
}

/// Takes out what a resource depended on.
pub(super) fn take(depends_on: &Dependencies) -> Vec<Arc<dyn Dependency>> {
    std::mem::take(&mut *depends_on.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn release_all(depends_on: &Dependencies) {
    let released = take(depends_on).into_iter().map(|other| other.release());
    futures_util::future::join_all(released).await;
}

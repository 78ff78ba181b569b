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

/// The pause before the first repetition of a failed removal; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause: within a minute of an engine's return, what was dropped is removed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) type Removal = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The removal of a dependency, for others to wait for.
pub(super) type Release = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A resource that another one depends on, and that is therefore removed after it.
pub(super) trait Dependency: std::fmt::Debug + Send + Sync {
    /// Keeps the resource.
    fn keep(&self);

    /// Removes the resource, unless something else still depends on it.
    fn release(self: Arc<Self>) -> Release;
}

/// The dependencies of a resource.
pub(super) type Dependencies = Arc<Mutex<Vec<Arc<dyn Dependency>>>>;

/// The by-products of a resource's creation. Dropping this removes them, which happens when the
/// resource is gone.
pub(crate) trait Trail: std::fmt::Debug + Send + Sync {
    /// Lets go of them when the resource is kept: nothing that it needs is removed.
    fn keep(&self);
}

/// A removal that is to be done, and what is released after it.
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
    /// Held until the resource is gone.
    pub(super) _trail: Option<Arc<dyn Trail>>,
}

impl Pending {
    /// Tries for some seconds to remove the resource. What it depended on is released once it is
    /// gone.
    pub(super) fn once(&self) -> Removal {
        let pending = self.clone();
        Box::pin(async move {
            let result = match &pending.lease {
                Some(lease) if pending.shares => pending.give_back(lease).await,
                _ => pending.remove().await,
            };
            if result.is_ok() {
                // Part of the removal: whoever waits until this name, port or subnet is free waits
                // for all of it.
                release_all(&pending.depends_on).await;
            }
            result
        })
    }

    /// Does the same as [`once`](Self::once), and goes on in the background after a failure that
    /// may pass: an engine that is away or busy. By then the removal no longer counts as under way,
    /// so nobody waits for it.
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
        // The engine may still execute the call: the guardian and sweeps have to search once more.
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

/// Notes that one resource of this process is gone.
pub(super) fn count_off(owner: &Owner, lease: Option<&Arc<Lease>>) {
    match lease {
        Some(lease) => lease.gone(),
        None => owner.owns_one_less(),
    }
}

/// Takes the dependencies of a resource out.
pub(super) fn take(depends_on: &Dependencies) -> Vec<Arc<dyn Dependency>> {
    std::mem::take(&mut *depends_on.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn release_all(depends_on: &Dependencies) {
    let released = take(depends_on).into_iter().map(|other| other.release());
    futures_util::future::join_all(released).await;
}

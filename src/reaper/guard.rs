//! [`Guard`]: RAII over one resource of an engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::create_call::CreateCall;
use super::ending;
use super::kind::Kind;
use super::labels::labels;
use super::lease::{Acquired, Lease};
use super::lease_file::SharedResource;
use super::owner::Owner;
use super::pending::{self, Dependencies, Dependency, Pending, Release, Trail};
use super::removal::Target;
use super::session::Session;
use super::worker::Worker;
use super::{first_sweep, host, keep_policy};
use crate::engine::{Client, Endpoint};
use crate::error::{Error, Result};
use crate::forks::Process;
use crate::spec::label;

/// Limit for the time that a drop waits for its removal when no guardian is running.
const UNGUARDED_WAIT: Duration = Duration::from_secs(10);

/// The owner of one resource, or of a share in it: armed before the create call is sent, it removes
/// the resource when it is dropped.
///
/// In a process that is forked from its owner's, it does nothing.
#[derive(Debug)]
pub(crate) struct Guard {
    engine: Client,
    owner: Arc<Owner>,
    kind: Kind,
    /// The value of the label `castoff.resource`.
    resource: String,
    /// The id (for a volume: the name), once the engine has returned it.
    id: OnceLock<String>,
    ownership: Mutex<Ownership>,
    call: Arc<CreateCall>,
    /// Whether a guardian would remove the resource if this process died.
    guarded: bool,
    /// The lease of a resource that is shared, or is to be.
    lease: Option<Arc<Lease>>,
    depends_on: Dependencies,
    trail: OnceLock<Arc<dyn Trail>>,
    /// The locks of `set_up_once` by key, for a resource that is not shared: no other process can
    /// use it.
    setups: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<bool>>>>,
}

/// The state of a resource, as its guard has to deal with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    /// The create call is not answered: if it created something, this process has to remove that.
    Pending,
    /// The resource exists, and this process has to remove it. It may have a lease that is not
    /// ready: the resource is about to be shared, or is left from an attempt that failed.
    Owned,
    /// The resource exists for all who share it: this process has to give its share back.
    Shared,
    /// The resource stays.
    Kept,
    /// There is nothing left to do: nothing was created, or its removal has begun.
    Gone,
}

/// The outcome of [`Guard::share`].
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub(crate) enum Share {
    /// The resource exists and is ready.
    Joined(Guard, SharedResource),
    /// The resource has to be created under this lease.
    Vacant(Arc<Lease>),
}

impl Guard {
    /// Arms a guard for a resource that is about to be created, and starts what it relies on: the
    /// teardown thread, the session lock and the guardian. With a lease, the resource is to be
    /// shared.
    pub(crate) async fn arm(
        engine: &Client,
        owner: Arc<Owner>,
        kind: Kind,
        lease: Option<&Arc<Lease>>,
    ) -> Result<Guard> {
        Worker::start()?;
        let under_way = ending::creates().await?;
        let mut guarded = first_sweep::ensure_guardian(&owner, engine).await;
        if lease.is_none() {
            guarded = owner.owns_one_more();
        }
        let resource = Session::current().next_name(engine.config());
        let guard = Guard::new(engine, owner, kind, resource, guarded, lease.cloned());
        guard.call.sent(under_way);
        Ok(guard)
    }

    /// Takes a share in a resource, or the lease to create it under. Waits while another process
    /// creates it, unless that one shows no sign of life for `limit`.
    ///
    /// # Cancel safety
    /// A share that was taken is given back, and the waiting ends.
    pub(crate) async fn share(
        engine: &Client,
        owner: Arc<Owner>,
        kind: Kind,
        key: String,
        limit: Duration,
    ) -> Result<Share> {
        let engine = engine.clone();
        // Runs on the worker, so that a share can't get lost between the lease and the guard.
        let sharing = async move {
            let guarded = first_sweep::ensure_guardian(&owner, &engine).await;
            Ok(match Lease::take(&engine, &owner, kind, &key, limit).await? {
                Acquired::Vacant(lease) => Share::Vacant(lease),
                Acquired::Ready(lease, made) => {
                    let name = made.name.clone();
                    let guard = Guard::new(&engine, owner, kind, name, guarded, Some(lease));
                    guard.created(&made.id);
                    *guard.ownership() = Ownership::Shared;
                    Share::Joined(guard, made)
                }
            })
        };
        Worker::start()?.run_while_wanted(ending::shares(sharing)).await?
    }

    /// Gives up a shared resource that is gone or unusable: the next caller recreates it.
    pub(crate) async fn abandon(self) -> Result<()> {
        self.take(Ownership::Gone);
        match &self.lease {
            Some(lease) => lease.clone().abandon().await,
            None => Ok(()),
        }
    }

    /// Marks the resource as ready, so that others can share it.
    pub(crate) fn shared(&self, name: &str, waited: &str) -> Result<()> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let made =
            SharedResource { id: self.id().into(), name: name.into(), waited: waited.into() };
        lease.ready(&made)?;
        self.change(Ownership::Owned, Ownership::Shared);
        Ok(())
    }

    fn new(
        engine: &Client,
        owner: Arc<Owner>,
        kind: Kind,
        resource: String,
        guarded: bool,
        lease: Option<Arc<Lease>>,
    ) -> Guard {
        Guard {
            engine: engine.clone(),
            call: Arc::new(CreateCall::new(&owner, lease.as_ref())),
            owner,
            kind,
            resource,
            id: OnceLock::new(),
            ownership: Mutex::new(Ownership::Pending),
            guarded,
            lease,
            depends_on: Dependencies::default(),
            trail: OnceLock::new(),
            setups: Mutex::default(),
        }
    }

    /// Notes that the create call is answered, or that nothing more can come of it.
    pub(crate) fn answered(&self) {
        self.call.answered();
    }

    /// Returns the unique name that was chosen for the resource.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the labels to send in the create call.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        let shared = self.lease.as_ref().map(|lease| lease.value());
        labels(&self.engine, self.kind, &self.resource, &self.owner.label_value(), shared)
    }

    /// Notes that the resource exists, under this id.
    pub(crate) fn created(&self, id: &str) {
        let _ = self.id.set(id.to_owned());
        self.change(Ownership::Pending, Ownership::Owned);
        self.answered();
    }

    /// Notes that the create call failed. Only an answer with a status below 500 means that nothing
    /// was created; after any other failure, the guard stays armed.
    pub(crate) fn refused(&self, error: &Error) {
        if error.status().is_some() {
            self.answered();
        }
        let nothing = error.status().is_some_and(|status| status < 500);
        if nothing && self.take(Ownership::Gone).is_some() {
            self.count_off();
        }
    }

    /// Returns whether these labels are those of this very resource.
    pub(crate) fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(label::RESOURCE) == Some(&self.resource)
    }

    pub(crate) fn id(&self) -> &str {
        self.id.get().map(String::as_str).unwrap_or_default()
    }

    /// Returns the endpoint of the engine that the resource is on.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.engine.endpoint()
    }

    pub(super) fn engine(&self) -> &Client {
        &self.engine
    }

    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }

    /// Returns the lock of a set-up key; its value is whether that set-up is done.
    pub(super) fn setup(&self, key: &str) -> Arc<tokio::sync::Mutex<bool>> {
        let mut setups = self.setups.lock().unwrap_or_else(PoisonError::into_inner);
        setups.entry(key.to_owned()).or_default().clone()
    }

    /// Keeps another resource alive as long as this one exists: this one is removed first.
    pub(crate) fn depends_on(&self, other: &Arc<Guard>) {
        let other: Arc<dyn Dependency> = other.clone();
        self.depends_on.lock().unwrap_or_else(PoisonError::into_inner).push(other);
    }

    /// Attaches what was made on the way to this resource, to be removed after it.
    pub(crate) fn leads(&self, trail: Arc<dyn Trail>) {
        // A resource has one trail at most.
        let _ = self.trail.set(trail);
    }

    /// Checks that this is not a process that was forked from the owner's.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) in a forked process.
    pub(crate) fn check(&self) -> Result<()> {
        self.process().check()
    }

    /// Returns the process that owns the resource.
    pub(crate) fn process(&self) -> Process {
        self.owner.process()
    }

    /// Lets the resource live on, also after the end of the process.
    pub(crate) fn keep(&self) {
        if !self.process().is_current() {
            return;
        }
        if let Some(before) = self.take(Ownership::Kept) {
            if let Some(trail) = self.trail.get() {
                trail.keep();
            }
            let owner = self.owner.label_value();
            host::note_kept(&self.engine, &owner, self.kind, self.id(), self.lease.is_some());
            match (before, &self.lease) {
                (Ownership::Shared, Some(lease)) => lease.keep(),
                (_, Some(lease)) => {
                    lease.keep_half_made(self.id(), &self.resource);
                    self.count_off();
                }
                (_, None) => {
                    self.owner.keep(self.kind, self.id());
                    self.count_off();
                }
            }
        }
        // Its dependencies can't be removed while this resource exists.
        for other in pending::take(&self.depends_on) {
            other.keep();
        }
    }

    /// Removes the resource and returns the outcome, within some seconds. After a failure the guard
    /// stays armed, so that its drop tries again, as long as the process lives. A share is only
    /// given back: the resource stays for the others.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.check()?;
        let Some(before) = self.take(Ownership::Gone) else { return Ok(()) };
        let Some(worker) = Worker::current() else { return Ok(()) };
        let outcome = worker.remove(self.engine.endpoint(), self.pending(before).once());
        let result = outcome.await.unwrap_or_else(|_| {
            Err(Error::other("the teardown thread dropped a removal before it finished"))
        });
        // A share was given back in any case.
        if result.is_err() && before != Ownership::Shared {
            self.change(Ownership::Gone, before);
        }
        result
    }

    /// Removes the resource as part of the removal of its last dependent. Failures are logged.
    fn release(self) -> Release {
        if self.guarded && *self.ownership() == Ownership::Shared {
            // Its drop starts the linger time, which nobody has to wait for.
            return Box::pin(std::future::ready(()));
        }
        let removal = self.take(Ownership::Gone).map(|before| self.pending(before).until_gone());
        Box::pin(async move {
            if let Some(removal) = removal {
                let _ = removal.await;
            }
        })
    }

    fn ownership(&self) -> MutexGuard<'_, Ownership> {
        self.ownership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, from: Ownership, to: Ownership) {
        let mut ownership = self.ownership();
        if *ownership == from {
            *ownership = to;
        }
    }

    /// Ends the ownership of a resource that this process has to remove or to give back. Returns
    /// the state before; `None` if nothing is left to do, or if another process has to do it.
    fn take(&self, to: Ownership) -> Option<Ownership> {
        if !self.process().is_current() {
            return None;
        }
        let mut ownership = self.ownership();
        match *ownership {
            Ownership::Kept | Ownership::Gone => None,
            Ownership::Pending | Ownership::Owned | Ownership::Shared => {
                Some(std::mem::replace(&mut *ownership, to))
            }
        }
    }

    /// Tells the guardian that it has one resource less to remove.
    fn count_off(&self) {
        pending::count_off(&self.owner, self.lease.as_ref());
    }

    /// Returns the removal of a resource whose ownership was `before`.
    fn pending(&self, before: Ownership) -> Pending {
        Pending {
            engine: self.engine.clone(),
            owner: self.owner.clone(),
            kind: self.kind,
            target: match self.id.get() {
                Some(id) => Target::Known(id.clone()),
                None => Target::Unknown(self.resource.clone()),
            },
            lease: self.lease.clone(),
            call: self.call.clone(),
            shares: before == Ownership::Shared,
            depends_on: self.depends_on.clone(),
            _trail: self.trail.get().cloned(),
        }
    }

    /// Keeps the resource for inspection, if the settings ask for that.
    fn keep_for_inspection(&self) {
        let is_armed = !matches!(*self.ownership(), Ownership::Kept | Ownership::Gone);
        if is_armed && self.id.get().is_some() && keep_policy::applies(self.engine.config()) {
            keep_policy::announce(&self.engine, self.kind, &self.resource, self.id());
            self.keep();
        }
    }
}

impl Dependency for Guard {
    fn keep(&self) {
        Guard::keep(self);
    }

    fn release(self: Arc<Self>) -> Release {
        match Arc::into_inner(self) {
            Some(guard) => guard.release(),
            None => Box::pin(std::future::ready(())),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.process().is_current() {
            return;
        }
        self.keep_for_inspection();
        let Some(before) = self.take(Ownership::Gone) else { return };
        let Some(worker) = Worker::current() else { return };
        let removal = self.pending(before).until_gone();
        if self.guarded && before == Ownership::Shared {
            // A lingering resource is not being removed yet, and nobody has to wait for it.
            let linger = self.engine.config().linger();
            let endpoint = self.engine.endpoint().clone();
            worker.submit(async move {
                tokio::time::sleep(linger).await;
                let _ = worker.remove(&endpoint, removal).await;
            });
            return;
        }
        let outcome = worker.remove(self.engine.endpoint(), removal);
        if !self.guarded && !Worker::is_here() {
            wait_briefly(outcome);
        }
    }
}

/// Blocks this thread, which may be an executor's, until the removal is done or the limit is
/// reached.
fn wait_briefly(outcome: tokio::sync::oneshot::Receiver<Result<()>>) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
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

//! [`Guard`]: RAII over one resource of an engine.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::create_call::CreateCall;
use super::ending::{self, UnderWay};
use super::kind::Kind;
use super::lease::{Lease, Seat};
use super::lease_file::Made;
use super::pending::{self, Pending, Trail, Uses};
use super::removal::Target;
use super::session::Session;
use super::worker::Worker;
use super::{host, keeping, watch_over};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::forks::Process;
use crate::spec::label;

/// How long a drop waits for its removal where no guardian stands behind it.
const UNGUARDED_WAIT: Duration = Duration::from_secs(10);

/// Owns one resource, or a share in it: armed before the create call, it removes when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    engine: Engine,
    kind: Kind,
    /// The value of the resource's own label.
    resource: String,
    /// The id (a volume's name), once the engine has told it.
    id: OnceLock<String>,
    armed: AtomicBool,
    call: Arc<CreateCall>,
    /// Whether a guardian would remove it if this process died.
    guarded: bool,
    /// For what is shared, or is to be.
    lease: Option<Arc<Lease>>,
    /// Whether it is shared, and this is a share in it; another one under the same lease may be
    /// what is left of an attempt that failed.
    shares: AtomicBool,
    /// What this one needs, and what therefore goes after it.
    uses: Uses,
    trail: OnceLock<Arc<dyn Trail>>,
    /// What is set up once for it, by key, where it is not shared: no other process can use it.
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<bool>>>>,
    /// In another one, forked from this, it does nothing.
    process: Process,
}

/// What [`Guard::share`] comes back with.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub(crate) enum Share {
    /// It is there and ready.
    Joined(Guard, Made),
    /// It is to be made under this lease.
    Vacant(Arc<Lease>),
}

impl Guard {
    /// Arms a guard for something that is about to be created, and everything behind it: the
    /// teardown thread, the session's lock and the guardian.
    pub(crate) async fn arm(engine: &Engine, kind: Kind) -> Result<Guard> {
        Worker::start()?;
        let under_way = ending::creates().await?;
        let guarded = watch_over::arm(engine).await;
        let resource = Session::current().next_name(engine.config());
        Ok(Guard::new(engine, kind, resource, guarded, None).creating(under_way))
    }

    /// As [`arm`](Self::arm), for something that is created to be shared under a lease.
    pub(crate) async fn arm_for(
        engine: &Engine,
        kind: Kind,
        lease: Option<&Arc<Lease>>,
    ) -> Result<Guard> {
        let Some(lease) = lease else { return Guard::arm(engine, kind).await };
        Worker::start()?;
        let under_way = ending::creates().await?;
        let guarded = watch_over::stand(engine).await;
        let resource = Session::current().next_name(engine.config());
        Ok(Guard::new(engine, kind, resource, guarded, Some(lease.clone())).creating(under_way))
    }

    /// A share in something, or the lease to make it under. Waits for another one that makes it,
    /// unless that shows no sign of life for `limit`.
    ///
    /// # Cancel safety
    /// What comes of it is given back, and the waiting ends.
    pub(crate) async fn share(
        engine: &Engine,
        kind: Kind,
        key: String,
        limit: Duration,
    ) -> Result<Share> {
        let engine = engine.clone();
        // On the worker, so that a share can't get lost between the lease and the guard.
        let sharing = async move {
            let guarded = watch_over::stand(&engine).await;
            Ok(match Lease::take(&engine, kind, &key, limit).await? {
                Seat::Vacant(lease) => Share::Vacant(lease),
                Seat::Made(lease, made) => {
                    let name = made.name.clone();
                    let guard = Guard::new(&engine, kind, name, guarded, Some(lease));
                    guard.created(&made.id);
                    guard.shares.store(true, Ordering::SeqCst);
                    Share::Joined(guard, made)
                }
            })
        };
        Worker::start()?.run_while_wanted(ending::shares(sharing)).await?
    }

    /// What was joined is not there, or of no use: the next one makes it anew.
    pub(crate) async fn renounce(self) -> Result<()> {
        self.disarm();
        match &self.lease {
            Some(lease) => lease.clone().renounce().await,
            None => Ok(()),
        }
    }

    /// It was made, and is there for everybody who shares it.
    pub(crate) fn shared(&self, name: &str, waited: &str) -> Result<()> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let made = Made { id: self.id().into(), name: name.into(), waited: waited.into() };
        lease.ready(&made)?;
        self.shares.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn new(
        engine: &Engine,
        kind: Kind,
        resource: String,
        guarded: bool,
        lease: Option<Arc<Lease>>,
    ) -> Guard {
        Guard {
            engine: engine.clone(),
            kind,
            resource,
            id: OnceLock::new(),
            armed: AtomicBool::new(true),
            call: Arc::new(CreateCall::new(engine, lease.as_ref())),
            guarded,
            lease,
            shares: AtomicBool::new(false),
            uses: Uses::default(),
            trail: OnceLock::new(),
            turns: Mutex::default(),
            process: Process::current(),
        }
    }

    /// A create call is about to be sent.
    fn creating(self, under_way: UnderWay) -> Guard {
        self.call.sent(under_way);
        self
    }

    /// Nothing more is to come of the create call.
    pub(crate) fn answered(&self) {
        self.call.answered();
    }

    /// The unique name that was chosen for it.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// The labels to send in the create call.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        let shared = self.lease.as_ref().map(|lease| lease.value());
        Session::current().labels(&self.engine, self.kind, &self.resource, shared)
    }

    /// It exists, under this id.
    pub(crate) fn created(&self, id: &str) {
        let _ = self.id.set(id.to_owned());
        self.answered();
    }

    /// It was not created: the engine answered so. What an engine that did not answer, or that
    /// failed itself, has done is unknown, and the guard stays armed.
    pub(crate) fn refused(&self, error: &Error) {
        if error.status().is_some() {
            self.answered();
        }
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

    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }

    /// Returns the lock of a key, and whether what it stands for is done.
    pub(super) fn turn(&self, key: &str) -> Arc<tokio::sync::Mutex<bool>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(key.to_owned()).or_default().clone()
    }

    /// Keeps another resource alive as long as this one exists.
    pub(crate) fn uses(&self, other: &Arc<Guard>) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).push(other.clone());
    }

    /// Has what was made on the way to it go after it.
    pub(crate) fn leads(&self, trail: Arc<dyn Trail>) {
        // There is one way to a resource.
        let _ = self.trail.set(trail);
    }

    /// Refuses to be used in a process that was forked from its own.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) there.
    pub(crate) fn check(&self) -> Result<()> {
        self.process.check()
    }

    /// The process that owns it.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Lets the resource live on, also after the end of the process.
    pub(crate) fn keep(&self) {
        if !self.process.is_current() {
            return;
        }
        if self.disarm() {
            if let Some(trail) = self.trail.get() {
                trail.keep();
            }
            host::note_kept(&self.engine, self.kind, self.id(), self.lease.is_some());
            match (self.held(), &self.lease) {
                (Some(lease), _) => lease.keep(),
                (None, Some(lease)) => {
                    lease.keep_half_made(self.id(), &self.resource);
                    self.done();
                }
                (None, None) => {
                    watch_over::keep(&self.engine, self.kind, self.id());
                    self.done();
                }
            }
        }
        // What it uses can't be removed while it lives.
        for other in pending::take(&self.uses) {
            other.keep();
        }
    }

    /// Removes it now and says how that went, after some seconds at the latest. The guard stays armed
    /// when it failed, so that its drop tries again, as long as the process lives. What others share
    /// with this process stays for them.
    ///
    /// # Cancel safety
    /// The removal goes on when the future is dropped.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.check()?;
        if !self.disarm() {
            return Ok(());
        }
        let Some(worker) = Worker::current() else { return Ok(()) };
        let outcome = worker.remove(self.engine.endpoint(), self.pending().once());
        let result = outcome.await.unwrap_or_else(|_| {
            Err(Error::other("the teardown thread dropped a removal before it finished"))
        });
        // (A share was given back either way.)
        if result.is_err() && self.held().is_none() {
            self.armed.store(true, Ordering::SeqCst);
        }
        result
    }

    /// What the drop does, within the removal of the last one that used it. Says how it went in
    /// the log alone.
    pub(super) fn release(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if self.held().is_some() && self.guarded {
            // Its drop lets it linger, which nobody is to wait for.
            return Box::pin(std::future::ready(()));
        }
        let removal = self.disarm().then(|| self.pending().until_gone());
        Box::pin(async move {
            if let Some(removal) = removal {
                let _ = removal.await;
            }
        })
    }

    /// Whether it was armed, and this is the process to remove it.
    fn disarm(&self) -> bool {
        self.process.is_current() && self.armed.swap(false, Ordering::SeqCst)
    }

    /// The lease of something that is there to be shared.
    fn held(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref().filter(|_| self.shares.load(Ordering::SeqCst))
    }

    /// There is nothing any more for the guardian to remove.
    fn done(&self) {
        pending::count_off(&self.engine, self.lease.as_ref());
    }

    fn pending(&self) -> Pending {
        Pending {
            engine: self.engine.clone(),
            kind: self.kind,
            target: match self.id.get() {
                Some(id) => Target::Known(id.clone()),
                None => Target::Unknown(self.resource.clone()),
            },
            lease: self.lease.clone(),
            call: self.call.clone(),
            shares: self.held().is_some(),
            uses: self.uses.clone(),
            _trail: self.trail.get().cloned(),
        }
    }

    /// Leaves it for a look, where that is what was asked for.
    fn left_for_a_look(&self) -> bool {
        let applies = self.id.get().is_some() && keeping::applies(&self.engine);
        if applies {
            keeping::tell(&self.engine, self.kind, &self.resource, self.id());
            self.keep();
        }
        applies
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        if !self.armed.load(Ordering::SeqCst) || self.left_for_a_look() || !self.disarm() {
            return;
        }
        let Some(worker) = Worker::current() else { return };
        if self.held().is_some() && self.guarded {
            // What lingers is not on its way out yet, and nobody is to wait for it.
            let (linger, removal) = (self.engine.config().linger(), self.pending().until_gone());
            let endpoint = self.engine.endpoint().clone();
            worker.submit(async move {
                tokio::time::sleep(linger).await;
                let _ = worker.remove(&endpoint, removal).await;
            });
            return;
        }
        let outcome = worker.remove(self.engine.endpoint(), self.pending().until_gone());
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

//! [`CreateCall`]: one that the engine may still owe an answer to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lease::Lease;
use super::watch_over;
use crate::engine::Engine;

/// A call that creates something, as the guardian is told of it: what the engine has not answered
/// may come to be long after the end of this process.
#[derive(Debug)]
pub(super) struct CreateCall {
    engine: Engine,
    lease: Option<Arc<Lease>>,
    under_way: AtomicBool,
}

impl CreateCall {
    pub(super) fn new(engine: &Engine, lease: Option<&Arc<Lease>>) -> CreateCall {
        let (engine, lease) = (engine.clone(), lease.cloned());
        CreateCall { engine, lease, under_way: AtomicBool::new(false) }
    }

    pub(super) fn sent(&self) {
        self.under_way.store(true, Ordering::SeqCst);
        match &self.lease {
            Some(lease) => lease.creating(),
            None => watch_over::creating(&self.engine, true),
        }
    }

    pub(super) fn answered(&self) {
        if self.under_way.swap(false, Ordering::SeqCst) {
            match &self.lease {
                Some(lease) => lease.answered(),
                None => watch_over::creating(&self.engine, false),
            }
        }
    }
}

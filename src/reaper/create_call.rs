//! [`CreateCall`]: a create call that the engine may not have answered yet.

use std::sync::{Arc, Mutex, PoisonError};

use super::ending::UnderWay;
use super::lease::Lease;
use super::owner::Owner;

/// A create call, as the guardian knows of it: a call without an answer may create its resource
/// long after this process has ended.
#[derive(Debug)]
pub(super) struct CreateCall {
    owner: Arc<Owner>,
    lease: Option<Arc<Lease>>,
    under_way: Mutex<Option<UnderWay>>,
}

impl CreateCall {
    pub(super) fn new(owner: &Arc<Owner>, lease: Option<&Arc<Lease>>) -> CreateCall {
        let (owner, lease) = (owner.clone(), lease.cloned());
        CreateCall { owner, lease, under_way: Mutex::default() }
    }

    pub(super) fn sent(&self, under_way: UnderWay) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(under_way);
        match &self.lease {
            Some(lease) => lease.creating(),
            None => self.owner.creating(true),
        }
    }

    pub(super) fn answered(&self) {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        if under_way.is_some() {
            match &self.lease {
                Some(lease) => lease.answered(),
                None => self.owner.creating(false),
            }
        }
        // An end of the process that waits for this call may go on only now.
        drop(under_way);
    }
}

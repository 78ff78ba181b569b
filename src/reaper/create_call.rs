//! [`CreateCall`]: one that the engine may still owe an answer to.

use std::sync::{Arc, Mutex, PoisonError};

use super::ending::UnderWay;
use super::lease::Lease;
use super::owner::Owner;

/// A create call, as the guardian is told of it: if the engine has not answered it, the resource
/// may still be created long after the end of this process.
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
        // Only now may an end that waits for it go on.
        drop(under_way);
    }
}

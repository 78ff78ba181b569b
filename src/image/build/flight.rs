//! Builds of the same that are under way at the same time are one.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use super::super::Image;
use crate::engine::{BuildEvent, OnEvent};
use crate::error::Result;
use crate::forks::PerProcess;

type Building = Pin<Box<dyn Future<Output = Result<Image>> + Send>>;

/// Listeners; those who join are added.
type Listeners = Arc<Mutex<Vec<OnEvent>>>;

struct Flight {
    building: WeakShared<Building>,
    listeners: Listeners,
}

static FLIGHTS: PerProcess<Mutex<HashMap<String, Flight>>> = PerProcess::new();

/// Waits for the build of that key which is under way, or begins it.
///
/// # Cancel safety
/// When the last one who waits is dropped, the build is, too.
pub(super) async fn join(
    key: String,
    listeners: Vec<OnEvent>,
    build: impl FnOnce(OnEvent) -> Pin<Box<dyn Future<Output = Result<Image>> + Send>>,
) -> Result<Image> {
    board(key, listeners, build).await
}

fn board(
    key: String,
    listeners: Vec<OnEvent>,
    build: impl FnOnce(OnEvent) -> Pin<Box<dyn Future<Output = Result<Image>> + Send>>,
) -> Shared<Building> {
    let mut flights = FLIGHTS.here().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flight) = flights.get(&key)
        && let Some(building) = flight.building.upgrade()
    {
        lock(&flight.listeners).extend(listeners);
        return building;
    }
    flights.retain(|_, flight| flight.building.upgrade().is_some());
    let listeners: Listeners = Arc::new(Mutex::new(listeners));
    let told = listeners.clone();
    let tell = move |event: BuildEvent| {
        // Not called under the lock, as listeners may do what they like.
        let listeners = lock(&told).clone();
        for listener in &listeners {
            listener(event.clone());
        }
    };
    let building = build(Arc::new(tell)).shared();
    if let Some(weak) = building.downgrade() {
        flights.insert(key, Flight { building: weak, listeners });
    }
    building
}

fn lock(listeners: &Listeners) -> MutexGuard<'_, Vec<OnEvent>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

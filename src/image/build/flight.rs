//! Combination of concurrent builds of the same description into one.

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

/// Joins the build of that key in progress, or begins it.
///
/// # Cancel safety
/// When the last waiting future is dropped, so is the build.
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
        // Called without the lock, as a listener may start or join a build.
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

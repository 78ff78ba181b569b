//! One guardian for each engine of this process, armed before the first resource there.

use super::removal::Kind;
use crate::engine::Engine;

#[cfg(unix)]
use {
    super::guardian,
    super::session::Session,
    std::collections::HashMap,
    std::path::PathBuf,
    std::sync::{Mutex, PoisonError},
};

#[cfg(unix)]
static GUARDIANS: Mutex<Option<HashMap<PathBuf, Option<guardian::Guardian>>>> = Mutex::new(None);

/// Arms the guardian for an engine, if there is none yet. Returns whether one stands.
///
/// It can't stand for an engine that a plain unix socket doesn't reach, nor where it is turned
/// off. A fork that fails is not tried again; dropping then waits for removals instead.
#[cfg(unix)]
pub(super) fn arm(engine: &Engine) -> bool {
    let Some(socket) = engine.endpoint().socket() else { return false };
    if !engine.config().reaper {
        return false;
    }
    let mut guardians = GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner);
    let guardians = guardians.get_or_insert_default();
    if let Some(known) = guardians.get(socket) {
        return known.is_some();
    }
    let armed = guardian::Guardian::arm(socket, &Session::current().owner_label());
    let guardian = match armed {
        Ok(guardian) => Some(guardian),
        Err(error) => {
            tracing::warn!(%error, "no guardian: leftovers of a killed process will stay");
            None
        }
    };
    guardians.entry(socket.to_owned()).or_insert(guardian).is_some()
}

#[cfg(not(unix))]
pub(super) fn arm(_engine: &Engine) -> bool {
    false
}

/// Tells the guardian of an engine to leave a resource alone.
#[cfg(unix)]
pub(super) fn keep(engine: &Engine, kind: Kind, id: &str) {
    let kind = match kind {
        Kind::Container => guardian::Kind::Container,
        Kind::Network => guardian::Kind::Network,
        Kind::Volume => guardian::Kind::Volume,
        // The guardian never removes images.
        Kind::Image => return,
    };
    let guardians = GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner);
    let guardian =
        engine.endpoint().socket().and_then(|socket| guardians.as_ref()?.get(socket)?.as_ref());
    if let Some(Err(error)) = guardian.map(|guardian| guardian.keep(kind, id)) {
        tracing::warn!(%error, id, "the guardian could not be told to keep this");
    }
}

#[cfg(not(unix))]
pub(super) fn keep(_engine: &Engine, _kind: Kind, _id: &str) {}

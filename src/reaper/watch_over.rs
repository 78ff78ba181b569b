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
static GUARDIANS: Mutex<Option<HashMap<PathBuf, Option<Watch>>>> = Mutex::new(None);

/// A guardian, and how many resources it stands behind.
#[cfg(unix)]
struct Watch {
    guardian: guardian::Guardian,
    owned: usize,
}

/// Arms the guardian for an engine, if there is none yet, and puts it behind one resource more.
/// Returns whether it stands; then [`done`] has to follow when that resource is no more.
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
    if !guardians.contains_key(socket) {
        let watch = match guardian::Guardian::arm(socket, &Session::current().owner_label()) {
            Ok(guardian) => Some(Watch { guardian, owned: 0 }),
            Err(error) => {
                tracing::warn!(%error, "no guardian: leftovers of a killed process will stay");
                None
            }
        };
        guardians.insert(socket.to_owned(), watch);
    }
    let Some(Some(watch)) = guardians.get_mut(socket) else { return false };
    // Before the create call is sent: what the guardian was told last is never too little.
    if watch.owned == 0 && watch.guardian.idle(false).is_err() {
        return false;
    }
    watch.owned += 1;
    true
}

#[cfg(not(unix))]
pub(super) fn arm(_engine: &Engine) -> bool {
    false
}

/// A resource that [`arm`] put the guardian behind is no more, or never came to be.
#[cfg(unix)]
pub(super) fn done(engine: &Engine) {
    let mut guardians = GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner);
    let watch =
        engine.endpoint().socket().and_then(|socket| guardians.as_mut()?.get_mut(socket)?.as_mut());
    let Some(watch) = watch else { return };
    watch.owned = watch.owned.saturating_sub(1);
    if watch.owned == 0 {
        // Not told, it asks the engine in vain, which is all.
        let _ = watch.guardian.idle(true);
    }
}

#[cfg(not(unix))]
pub(super) fn done(_engine: &Engine) {}

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
    let watch =
        engine.endpoint().socket().and_then(|socket| guardians.as_ref()?.get(socket)?.as_ref());
    if let Some(Err(error)) = watch.map(|watch| watch.guardian.keep(kind, id)) {
        tracing::warn!(%error, id, "the guardian could not be told to keep this");
    }
}

#[cfg(not(unix))]
pub(super) fn keep(_engine: &Engine, _kind: Kind, _id: &str) {}

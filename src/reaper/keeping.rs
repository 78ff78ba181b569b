//! What is left for a look: whether something has failed, and what is said about what stays.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ending;
use super::kind::Kind;
use super::watch_over;
use crate::config::KeepPolicy;
use crate::engine::Engine;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// From now on, notes panics, and tells the guardian when the process ends with success.
///
/// Only under `CASTOFF_KEEP=on-failure`; the hook calls the one that was there before.
pub(super) fn watch_the_end() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    // (A forked child has the hook as well.)
    if !WATCHED.swap(true, Ordering::SeqCst) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            before(panic);
        }));
    }
    ending::tell_if_all_is_well();
}

/// The process ends and says that it succeeded.
pub(super) fn process_succeeds() {
    if !PANICKED.load(Ordering::SeqCst) {
        watch_over::all_is_well();
    }
}

/// Whether a resource that is dropped now is left for a look.
pub(super) fn applies(engine: &Engine) -> bool {
    match engine.config().keep {
        KeepPolicy::Never => false,
        KeepPolicy::Always => true,
        KeepPolicy::OnFailure => std::thread::panicking() || PANICKED.load(Ordering::SeqCst),
    }
}

/// Says on stderr what stays, how to look at it and how to remove it.
pub(super) fn tell(engine: &Engine, kind: Kind, name: &str, id: &str) {
    let id = if kind == Kind::Volume { name } else { id.get(..12).unwrap_or(id) };
    let program = if engine.is_podman() { "podman" } else { "docker" };
    let kept = kind.word();
    let (look, remove) = match kind {
        Kind::Container => (
            format!("{program} logs {id}; {program} exec -it {id} sh"),
            format!("{program} rm -fv {id}"),
        ),
        _ => (format!("{program} {kept} inspect {id}"), format!("{program} {kept} rm {id}")),
    };
    crate::stderr::say(format_args!(
        "castoff: {kept} `{name}` is kept. To look at it: {look}. To remove it: {remove}, or all \
         that was kept: castoff::Engine::prune_kept"
    ));
}

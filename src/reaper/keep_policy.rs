//! The choice of resources to keep for inspection, and the message about them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::kind::Kind;
use crate::config::{Config, KeepPolicy};
use crate::engine::Client;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Starts to note panics, for `CASTOFF_KEEP=on-failure`. The hook calls the one that was set
/// before.
pub(super) fn note_panics() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    // A forked child inherits the hook.
    if !WATCHED.swap(true, Ordering::SeqCst) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            before(panic);
        }));
    }
}

/// Returns whether anything has panicked since then.
pub(super) fn has_panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Returns whether a resource that is dropped now is kept for inspection.
pub(super) fn applies(config: &Config) -> bool {
    match config.keep {
        KeepPolicy::Never => false,
        KeepPolicy::Always => true,
        KeepPolicy::OnFailure => std::thread::panicking() || has_panicked(),
    }
}

/// Prints to stderr what is kept, how to inspect it and how to remove it.
pub(super) fn announce(engine: &Client, kind: Kind, name: &str, id: &str) {
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
         that was kept: castoff::Engine::remove_kept"
    ));
}

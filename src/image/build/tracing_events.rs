//! Events of a build as `tracing` events: steps at `debug`, output at `trace`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{BuildEvent, OnEvent};

/// Returns a listener that emits `tracing` events under the target `castoff::build`.
pub(super) fn listener() -> OnEvent {
    let names: Mutex<HashMap<String, String>> = Mutex::default();
    Arc::new(move |event| {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            BuildEvent::Step(step) => {
                let name = step.name.as_str();
                match (&step.error, step.completed) {
                    (Some(error), _) => {
                        tracing::debug!(target: "castoff::build", step = name, error, "failed");
                    }
                    (None, Some(_)) => {
                        let cached = step.cached;
                        tracing::debug!(target: "castoff::build", step = name, cached, "done");
                    }
                    (None, None) if step.started.is_some() => {
                        tracing::debug!(target: "castoff::build", step = name, "started");
                    }
                    (None, None) => {}
                }
                names.insert(step.id, step.name);
            }
            BuildEvent::Log { step, text, .. } => {
                let name = names.get(&step).map_or("", String::as_str);
                let text = text.trim_end();
                tracing::trace!(target: "castoff::build", step = name, "{text}");
            }
            BuildEvent::Warning { message, .. } => {
                tracing::warn!(target: "castoff::build", "{message}");
            }
            BuildEvent::Progress { .. } => {}
        }
    })
}

//! [`Session`]: under which name and labels this process owns what it creates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::kind::Kind;
use super::{host, watch_over};
use crate::config::{Config, KeepPolicy};
use crate::engine::Engine;
use crate::forks::PerProcess;
use crate::random;
use crate::spec::label;

/// This process on the engine.
#[derive(Debug)]
pub(crate) struct Session {
    /// What no other process has.
    token: String,
    start_time: String,
    program: String,
    created: AtomicU64,
}

static SESSION: PerProcess<Session> = PerProcess::new();

impl Default for Session {
    fn default() -> Session {
        Session::begin()
    }
}

impl Session {
    /// The session of this process.
    pub(crate) fn current() -> &'static Session {
        SESSION.here()
    }

    fn begin() -> Session {
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(|path| path.file_name());
        Session {
            token: random::token(),
            start_time: start_time(),
            program: program.unwrap_or_default().to_string_lossy().into_owned(),
            created: AtomicU64::new(0),
        }
    }

    /// What no other process has.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// A name that no other resource has: `castoff-<session>-<n>`.
    pub(super) fn next_name(&self, config: &Config) -> String {
        let n = self.created.fetch_add(1, Ordering::Relaxed) + 1;
        match &config.session {
            // Several processes count in a session that has a name.
            Some(session) => format!("castoff-{session}-{}-{n}", self.token),
            None => format!("castoff-{}-{n}", self.token),
        }
    }

    /// The labels of a resource, to be sent in the call that creates it. With `shared`, the value
    /// of that label, nobody owns it.
    pub(super) fn labels(
        &self,
        engine: &Engine,
        kind: Kind,
        resource: &str,
        shared: Option<&str>,
    ) -> Vec<(String, String)> {
        let config = engine.config();
        let whose = match (shared, config.keep) {
            (Some(shared), _) => (label::SHARED, shared.to_owned()),
            (None, KeepPolicy::Always) => (label::KEPT, watch_over::owner(engine)),
            (None, _) => (label::OWNER, watch_over::owner(engine)),
        };
        let session = config.session.as_deref().unwrap_or(&self.token);
        let labels = [
            (label::SESSION, session.to_owned()),
            whose,
            (label::RESOURCE, resource.to_owned()),
            (label::CREATED, since_1970().as_secs().to_string()),
            (label::VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (label::PROGRAM, self.program.clone()),
        ];
        let mut labels: Vec<_> =
            labels.into_iter().map(|(key, value)| (kind.label_key(key), value)).collect();
        if let Some(host) = host::of(engine, shared.is_some()) {
            labels.push((kind.label_key(label::HOST), host.to_owned()));
        }
        if kind == Kind::Image {
            // An image takes over its container's labels, and gives them to every container that
            // anybody makes of it: those are nobody's of castoff's.
            let whose = [label::OWNER, label::SHARED, label::KEPT, label::RESOURCE, label::HOST];
            labels.extend(whose.map(|key| (key.to_owned(), String::new())));
        }
        labels
    }

    /// Place, process id, start time and token: by this the guardian and sweeps find what is whose.
    /// Without a place, it is in none that anybody else could be in.
    pub(super) fn owner(&self, place: Option<&str>) -> String {
        let place = place.unwrap_or(&self.token);
        format!("{place}.{}.{}.{}", std::process::id(), self.start_time, self.token)
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// When this process started, in the kernel's ticks since boot; pids come again, these don't.
fn start_time() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything, so count from its end: field 22, proc(5).
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().nth(19).map(str::to_owned);
    ticks.unwrap_or_else(|| since_1970().as_secs().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_repeat() {
        let session = Session::current();
        let mut config = Config::default();
        let (one, two) = (session.next_name(&config), session.next_name(&config));
        assert_ne!(one, two);
        assert!(one.starts_with(&format!("castoff-{}-", session.token)));
        config.session = Some("ci-7".into());
        let named = session.next_name(&config);
        assert!(named.starts_with(&format!("castoff-ci-7-{}-", session.token)));
    }

    #[test]
    fn owners_tell_whose_it_is() {
        let session = Session::current();
        let owner = session.owner(Some("here"));
        assert!(owner.starts_with(&format!("here.{}.", std::process::id())));
        assert!(owner.ends_with(&format!(".{}", session.token)));
        assert!(session.owner(None).starts_with(&format!("{}.", session.token)));
    }

    #[test]
    fn two_sessions_differ() {
        assert_ne!(Session::begin().token, Session::begin().token);
    }
}

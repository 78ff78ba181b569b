//! [`Session`]: the name under which this process owns what it creates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Config;
use crate::forks::PerProcess;
use crate::random;

/// The identity of this process on the engine.
#[derive(Debug)]
pub(crate) struct Session {
    /// A token that no other process has.
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
    /// Returns the session of this process.
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

    /// Returns the token, which no other process has.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Returns a name that no other resource has: `castoff-<session>-<n>`.
    pub(super) fn next_name(&self, config: &Config) -> String {
        let n = self.created.fetch_add(1, Ordering::Relaxed) + 1;
        match &config.session {
            // Several processes can share a named session, each with a count of its own.
            Some(session) => format!("castoff-{session}-{}-{n}", self.token),
            None => format!("castoff-{}-{n}", self.token),
        }
    }

    /// Returns the program's file name.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the value of the owner label: place, process id, start time and token. The guardian
    /// and sweeps find the resources of a process by it. Without a place, the token replaces it,
    /// which no other process has as a place.
    pub(super) fn owner(&self, place: Option<&str>) -> String {
        let place = place.unwrap_or(&self.token);
        format!("{place}.{}.{}.{}", std::process::id(), self.start_time, self.token)
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the start time of this process in the kernel's ticks since boot, as pids are reused;
/// without `/proc`, the current time.
fn start_time() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may contain anything, so count from its end: field 22, proc(5).
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

//! [`Session`]: under which name and labels this process owns what it creates.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::spec::label;

/// This process on the engine.
#[derive(Debug)]
pub(crate) struct Session {
    id: String,
    owner: String,
    created: AtomicU64,
}

static SESSION: LazyLock<Session> = LazyLock::new(Session::begin);

impl Session {
    /// The session of this process.
    pub(crate) fn current() -> &'static Session {
        &SESSION
    }

    fn begin() -> Session {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u128(since_1970().as_nanos());
        let id = format!("{:010x}", hasher.finish() & 0xff_ffff_ffff);
        let owner = format!("{}.{}.{}.{id}", host_id(), std::process::id(), start_time());
        Session { id, owner, created: AtomicU64::new(0) }
    }

    /// A name that no other resource has: `castoff-<session>-<n>`.
    pub(crate) fn next_name(&self) -> String {
        let n = self.created.fetch_add(1, Ordering::Relaxed) + 1;
        format!("castoff-{}-{n}", self.id)
    }

    /// The labels of a resource, to be sent in the call that creates it.
    pub(crate) fn labels(&self, resource: &str) -> Vec<(String, String)> {
        vec![
            (label::SESSION.to_owned(), self.id.clone()),
            (label::OWNER.to_owned(), self.owner.clone()),
            (label::RESOURCE.to_owned(), resource.to_owned()),
            (label::CREATED.to_owned(), since_1970().as_secs().to_string()),
            (label::VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]
    }

    /// What the guardian looks for: everything of this very process, as `key=value`.
    pub(crate) fn owner_label(&self) -> String {
        format!("{}={}", label::OWNER, self.owner)
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// This boot of this machine, hashed: ids of machines are nobody else's business.
fn host_id() -> String {
    let mut hash = Sha256::new();
    for path in ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"] {
        hash.update(std::fs::read(path).unwrap_or_default());
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
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
    fn names_never_repeat_and_labels_tell_whose_they_are() {
        let session = Session::current();
        let (one, two) = (session.next_name(), session.next_name());
        assert_ne!(one, two);
        assert!(one.starts_with(&format!("castoff-{}-", session.id)));
        let labels = session.labels(&one);
        let value = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(value("castoff.session"), Some(session.id.as_str()));
        assert_eq!(value("castoff.resource"), Some(one.as_str()));
        assert!(value("castoff.owner").unwrap().contains(&format!(".{}.", std::process::id())));
        assert!(session.owner_label().ends_with(value("castoff.owner").unwrap()));
    }

    #[test]
    fn two_sessions_differ() {
        assert_ne!(Session::begin().id, Session::begin().id);
    }
}

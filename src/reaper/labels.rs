//! The labels by which the guardian, sweeps and people find who owns a resource.

use std::time::{SystemTime, UNIX_EPOCH};

use super::kind::Kind;
use super::session::Session;
use super::state_dir;
use crate::config::KeepPolicy;
use crate::engine::Client;
use crate::spec::label;

/// Returns the labels for the call that creates a resource. With `shared`, the value of the label
/// of a shared resource, it has no owner.
pub(super) fn labels(
    engine: &Client,
    kind: Kind,
    resource: &str,
    owner: &str,
    shared: Option<&str>,
) -> Vec<(String, String)> {
    let (config, session) = (engine.config(), Session::current());
    let whose = match (shared, config.keep) {
        (Some(shared), _) => (label::SHARED, shared),
        (None, KeepPolicy::Always) => (label::KEPT, owner),
        (None, _) => (label::OWNER, owner),
    };
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let created = created.as_secs().to_string();
    let labels = [
        (label::SESSION, config.session.as_deref().unwrap_or(session.token())),
        whose,
        (label::RESOURCE, resource),
        (label::CREATED, &created),
        (label::VERSION, env!("CARGO_PKG_VERSION")),
        (label::PROGRAM, session.program()),
    ];
    let host = test_host(engine, shared.is_some()).map(|host| (label::HOST, host));
    let labels = labels.into_iter().chain(host);
    let mut labels: Vec<_> =
        labels.map(|(key, value)| (kind.label_key(key), value.to_owned())).collect();
    if kind == Kind::Image {
        // An image inherits its container's labels, and hands them on to every container that
        // anybody creates from it: with empty values, those don't count as castoff's.
        let whose = [label::OWNER, label::SHARED, label::KEPT, label::RESOURCE, label::HOST];
        labels.extend(whose.map(|key| (key.to_owned(), String::new())));
    }
    labels
}

/// Returns the container that this program runs in, if a resource is to be removed once it is gone.
///
/// A shared resource may be in use by programs elsewhere, unless the state directory is the
/// container's own: then nobody else sees its lease, which is lost with the container.
pub(super) fn test_host(engine: &Client, shared: bool) -> Option<&str> {
    let config = engine.config();
    // What is kept for inspection must stay when its maker is gone.
    let goes = config.reaper && config.keep == KeepPolicy::Never;
    let host = engine.test_host().container().filter(|_| goes)?;
    (!shared || state_dir::is_in_own_root(config)).then_some(host)
}

//! One removal: what is sent, what counts as done, what is tried again.

use std::time::Duration;

use super::kind::Kind;
use super::listing::list;
use super::ours::ours;
use crate::engine::{Client, Labelled, Meaning, says};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::label;

/// How a resource is found.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The engine told its id (for a volume: its name).
    Known(String),
    /// The create call went out and its answer was lost, so it may or may not exist, now or in
    /// a moment; its own label tells.
    Unknown(String),
}

/// Pauses between attempts: about 12 s in all, after which the guardian or a sweep has to do it.
const PAUSES: [u64; 12] = [10, 20, 50, 100, 200, 400, 800, 1_000, 2_000, 2_000, 3_000, 3_000];

/// Pauses between looks for something that may appear yet.
const LOOKS: [u64; 4] = [0, 100, 500, 2_000];

/// Whether there was anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    Something,
    Nothing,
}

pub(super) async fn remove(engine: &Client, kind: Kind, target: &Target) -> Result<Removed> {
    match target {
        Target::Known(id) => remove_known(engine, kind, id).await.map(|()| Removed::Something),
        Target::Unknown(resource) => {
            let label = kind.label(label::RESOURCE, resource);
            remove_late(engine, kind, &label).await
        }
    }
}

/// Removes what has a label, given as `key=value`, and what gets to have it in a moment.
pub(super) async fn remove_late(engine: &Client, kind: Kind, label: &str) -> Result<Removed> {
    let (mut last, mut any) = (Ok(Removed::Nothing), Removed::Nothing);
    for pause in LOOKS {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // The engine may be restarting: only the last attempt's error counts.
        last = remove_labelled(engine, kind, label).await;
        if let Ok(Removed::Something) = last {
            any = Removed::Something;
        }
    }
    last.map(|_| any)
}

async fn remove_known(engine: &Client, kind: Kind, id: &str) -> Result<()> {
    let mut pauses = PAUSES.iter();
    loop {
        let attempt = match kind {
            Kind::Container => engine.remove_container(id).await,
            Kind::Network => engine.remove_network(id).await,
            Kind::Volume => engine.remove_volume(id).await,
            Kind::Image => engine.remove_image(id).await,
        };
        let error = match attempt {
            Ok(()) => return Ok(()),
            Err(error) if is_gone(kind, &error) => return Ok(()),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if may_pass(&error) => {
                tracing::debug!(?kind, id, %error, "removal is tried again");
                tokio::time::sleep(Duration::from_millis(*pause)).await;
            }
            _ if kind == Kind::Network => {
                return Err(engine.explain_used_network(id, error).await.at("remove"));
            }
            _ => return Err(error.at("remove")),
        }
    }
}

/// Not there, or on its way out by somebody else's hand.
///
/// Podman says "no such container" with status 500, also of a container that was in the way of
/// what is removed: then that is still there.
fn is_gone(kind: Kind, error: &Error) -> bool {
    error.status() == Some(404)
        || (kind == Kind::Container && error.kind() == ErrorKind::NotFound)
        || (kind == Kind::Container && says(&error.to_string(), Meaning::RemovalUnderWay))
}

/// In use by something that is going away, or an engine that is busy or restarting.
pub(super) fn may_pass(error: &Error) -> bool {
    match error.status() {
        None => matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout),
        Some(403 | 409) => true,
        Some(status) => status >= 500,
    }
}

/// Removes all that has a label. An engine that is away for a moment is asked again.
pub(super) async fn remove_labelled(engine: &Client, kind: Kind, label: &str) -> Result<Removed> {
    let mut removed = Removed::Nothing;
    let listed = list_patiently(engine, kind, label).await?.into_iter();
    for (_, found) in ours(engine, listed.map(|found| (kind, found)).collect()).await? {
        remove_known(engine, kind, &found.id).await?;
        removed = Removed::Something;
    }
    Ok(removed)
}

async fn list_patiently(engine: &Client, kind: Kind, label: &str) -> Result<Vec<Labelled>> {
    let mut pauses = PAUSES.iter();
    loop {
        let error = match list(engine, kind, label).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if may_pass(&error) => {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
            }
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_is_gone_however_the_engine_says_it() {
        let answer = |status, text: &str| Error::new(ErrorKind::Conflict, text).with_status(status);
        assert!(is_gone(Kind::Network, &answer(404, "No such container: x")));
        let under_way = answer(409, "removal of container x is already in progress");
        assert!(is_gone(Kind::Container, &under_way) && !is_gone(Kind::Network, &under_way));
        assert!(!is_gone(Kind::Network, &answer(409, "in use")));
        let podman = Error::new(ErrorKind::NotFound, "no such container").with_status(500);
        assert!(is_gone(Kind::Container, &podman) && !is_gone(Kind::Image, &podman));
        assert!(may_pass(&answer(403, "network x has active endpoints")));
        assert!(may_pass(&answer(500, "oops")));
        assert!(may_pass(&Error::new(ErrorKind::Connection, "cut")));
        assert!(!may_pass(&answer(400, "bad")));
    }
}

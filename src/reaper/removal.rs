//! The removal of one resource: the calls, the errors that count as success, and the retries.

use std::time::Duration;

use super::kind::Kind;
use super::listing::list;
use super::ours::ours;
use crate::engine::{Client, Labelled, Meaning, says};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::label;

/// The way to find a resource.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// By the id that the engine returned (for a volume: its name).
    Known(String),
    /// By its own label: the answer to the create call was lost, so the resource may exist, now or
    /// in a moment.
    Unknown(String),
}

/// Pauses between attempts in ms: about 12 s in all, after which the guardian or a sweep takes
/// over.
const PAUSES: [u64; 12] = [10, 20, 50, 100, 200, 400, 800, 1_000, 2_000, 2_000, 3_000, 3_000];

/// Pauses in ms before each search for something that may still appear.
const LOOKS: [u64; 4] = [0, 100, 500, 2_000];

/// Whether a removal found anything.
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

/// Removes everything with a label, given as `key=value`, including what appears in the next
/// seconds.
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

/// Returns whether the resource is gone, or is being removed by somebody else.
///
/// Podman also answers "no such container" with status 500 when another container was in the way of
/// the removal: then the resource still exists.
fn is_gone(kind: Kind, error: &Error) -> bool {
    error.status() == Some(404)
        || (kind == Kind::Container && error.kind() == ErrorKind::NotFound)
        || (kind == Kind::Container && says(&error.to_string(), Meaning::RemovalUnderWay))
}

/// Returns whether an error may be temporary: the resource is in use by something that is being
/// removed, or the engine is busy or restarting.
pub(super) fn may_pass(error: &Error) -> bool {
    match error.status() {
        None => matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout),
        Some(403 | 409) => true,
        Some(status) => status >= 500,
    }
}

/// Removes everything with a label. Retries while the engine is away for a moment.
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

//! Lists of the resources with castoff's labels.

use std::time::Duration;

use super::kind::Kind;
use crate::engine::{Client, Labelled};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::label;

/// Limit for one list call.
pub(super) const LIST_LIMIT: Duration = Duration::from_secs(30);

/// Lists the resources of a kind with a label, given as `key` or `key=value`, in one call.
pub(super) async fn list(engine: &Client, kind: Kind, label: &str) -> Result<Vec<Labelled>> {
    match kind {
        Kind::Container => engine.containers_labelled(label).await,
        Kind::Network => engine.networks_labelled(label).await,
        Kind::Volume => engine.volumes_labelled(label).await,
        Kind::Image => engine.images_labelled(label).await,
    }
}

/// Lists all of castoff's resources: one call for each kind, at the same time.
pub(super) async fn list_all(engine: &Client) -> Result<Vec<(Kind, Labelled)>> {
    let list = |kind: Kind| async move {
        let key = kind.label_key(label::SESSION);
        let found = within(LIST_LIMIT, "list", list(engine, kind, &key)).await?;
        Ok::<_, Error>(found.into_iter().map(move |found| (kind, found)))
    };
    let lists = futures_util::future::join_all(Kind::ALL.map(list)).await;
    let lists: Vec<_> = lists.into_iter().collect::<Result<_>>()?;
    Ok(lists.into_iter().flatten().collect())
}

/// Returns the value of one of castoff's labels.
pub(super) fn label_of<'a>(kind: Kind, found: &'a Labelled, key: &str) -> Option<&'a str> {
    found.labels.get(&kind.label_key(key)).map(String::as_str)
}

/// Runs a call, and fails if the engine does not answer within `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    step: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = tokio::time::timeout(limit, call).await;
    let late = |_| Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}")).at(step);
    outcome.map_err(late)?
}

//! [`Engine::containers`]: what runs there, ours or not.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bollard::query_parameters::ListContainersOptionsBuilder;

use super::Engine;
use super::failure::lift;
use crate::error::Result;

/// The containers of an engine; made by [`Engine::containers`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `list()`"]
pub struct Containers {
    engine: Engine,
    all: bool,
    labels: Vec<String>,
}

/// A container as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerSummary {
    /// The id, 64 hexadecimal digits.
    pub id: String,
    /// The name, without a leading slash.
    pub name: String,
    /// The image it was created from.
    pub image: String,
    /// The engine's word for its state: `created`, `running`, `exited` and so on.
    pub state: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A resource of any kind as a list shows it: what it is removed by, and its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labelled {
    pub(crate) id: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Labelled {
    pub(super) fn new(id: String, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        Labelled { id, labels: labels.into_iter().collect() }
    }
}

impl Engine {
    /// Containers with this label, given as `key` or `key=value`, running or not.
    pub(crate) async fn containers_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let listed = self.containers().all().with_label(label).list().await?;
        Ok(listed.into_iter().map(|found| Labelled::new(found.id, found.labels)).collect())
    }

    /// The engine's containers, castoff's own and all others.
    pub fn containers(&self) -> Containers {
        Containers { engine: self.clone(), all: false, labels: Vec::new() }
    }
}

impl Containers {
    /// Includes those that don't run.
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Only those with this label, given as `key` or `key=value`. Several must all match.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Asks the engine.
    ///
    /// # Errors
    /// When the engine can't be reached or refuses.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn list(self) -> Result<Vec<ContainerSummary>> {
        let filters = HashMap::from([("label".to_owned(), self.labels)]);
        let options = ListContainersOptionsBuilder::new().all(self.all).filters(&filters).build();
        let listed = self
            .engine
            .docker()
            .list_containers(Some(options))
            .await
            .map_err(lift("list containers"))?;
        Ok(listed.into_iter().map(ContainerSummary::read).collect())
    }
}

impl IntoFuture for Containers {
    type Output = Result<Vec<ContainerSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.list())
    }
}

impl ContainerSummary {
    fn read(answer: bollard::models::ContainerSummary) -> Self {
        let name = answer.names.and_then(|names| names.into_iter().next()).unwrap_or_default();
        ContainerSummary {
            id: answer.id.unwrap_or_default(),
            name: name.trim_start_matches('/').to_owned(),
            image: answer.image.unwrap_or_default(),
            state: answer.state.map(|state| state.to_string()).unwrap_or_default(),
            labels: answer.labels.unwrap_or_default().into_iter().collect(),
        }
    }
}

//! [`Engine::containers`](crate::Engine::containers): a list of all containers, castoff's own and others.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::StreamExt;
use serde_json::Value;

use super::Client;
use super::failure::{lift, refusal};
use crate::error::{Error, ErrorKind, Result};

/// A query for the containers of an engine, created by [`Engine::containers`](crate::Engine::containers).
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `list()`"]
pub struct Containers {
    engine: Client,
    all: bool,
    labels: Vec<String>,
}

/// A container in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerSummary {
    /// The id, 64 hexadecimal digits.
    pub id: String,
    /// The name, without a leading slash.
    pub name: String,
    /// The image it was created from.
    pub image: String,
    /// The engine's name for its state: `created`, `running`, `exited` and so on.
    pub state: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A resource of any kind in a list: the id to remove it by, and its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labelled {
    pub(crate) id: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// The name of a container, or those of an image as users write them.
    pub(crate) names: Vec<String>,
    /// The id of a container's image.
    pub(crate) image: String,
}

impl Labelled {
    pub(super) fn new(id: String, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        Labelled { id, labels: labels.into_iter().collect(), ..Labelled::default() }
    }
}

impl Client {
    /// Lists the containers with a label, given as `key` or `key=value`, running or not.
    pub(crate) async fn containers_labelled(&self, label: &str) -> Result<Vec<Labelled>> {
        let answer = self.containers().all().with_label(label).ask().await?;
        let listed = answer.as_array().into_iter().flatten();
        let labelled = listed.map(|one| {
            let found = ContainerSummary::read(one);
            let image = one["ImageID"].as_str().unwrap_or_default().to_owned();
            Labelled { names: vec![found.name], image, ..Labelled::new(found.id, found.labels) }
        });
        Ok(labelled.collect())
    }

    /// Queries the engine's containers, castoff's own and all others.
    pub(crate) fn containers(&self) -> Containers {
        Containers { engine: self.clone(), all: false, labels: Vec::new() }
    }
}

impl Containers {
    /// Includes containers that don't run.
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Includes only containers with this label, given as `key` or `key=value`. Several must all
    /// match.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Returns the containers.
    ///
    /// # Errors
    /// Fails if the engine can't be reached or refuses.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn list(self) -> Result<Vec<ContainerSummary>> {
        let answer = self.ask().await?;
        let listed = answer.as_array().into_iter().flatten();
        Ok(listed.map(ContainerSummary::read).collect())
    }

    async fn ask(&self) -> Result<Value> {
        let filters = serde_json::json!({ "label": self.labels }).to_string();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("all", if self.all { "true" } else { "false" })
            .append_pair("filters", &filters)
            .finish();
        self.engine.get_json(&format!("/containers/json?{query}"), "list containers").await
    }
}

impl Client {
    /// Gets JSON that an API model would refuse: Podman has states of its own, and one container in
    /// such a state must not hide all the others.
    pub(super) async fn get_json(&self, path: &str, step: &'static str) -> Result<Value> {
        let (status, mut chunks) = self.dialer().stream(path).await.map_err(lift(step))?;
        let mut text = Vec::new();
        while let Some(chunk) = chunks.next().await {
            text.extend_from_slice(&chunk.map_err(lift(step))?);
        }
        if !status.is_success() {
            return Err(refusal(step, status.as_u16(), &text));
        }
        serde_json::from_slice(&text).map_err(|error| {
            let message = format!("failed to {step}: the engine sent an unexpected response");
            Error::new(ErrorKind::Protocol, message).with_source(error)
        })
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
    fn read(answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = answer["Labels"].as_object().into_iter().flatten();
        ContainerSummary {
            id: text(&answer["Id"]),
            name: text(&answer["Names"][0]).trim_start_matches('/').to_owned(),
            image: text(&answer["Image"]),
            state: text(&answer["State"]),
            labels: labels.map(|(key, value)| (key.clone(), text(value))).collect(),
        }
    }
}

//! The event stream, to the extent that waits need it.

use std::collections::HashMap;
use std::pin::Pin;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_core::Stream;
use futures_util::StreamExt;

use super::failure::convert;
use super::{Client, Health};
use crate::error::Result;

/// An event of a container that is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthEvent {
    Health(Health),
    Ended,
}

impl Client {
    /// Streams changes of a container's health, and its end, since a time in seconds and
    /// nanoseconds since 1970: no event between an inspect and this call is lost.
    pub(crate) fn health_events(
        &self,
        id: &str,
        since: (i64, u32),
    ) -> Pin<Box<dyn Stream<Item = Result<HealthEvent>> + Send>> {
        let events = self.container_events(id, since, &["health_status", "die"]);
        Box::pin(events.filter_map(|action| {
            std::future::ready(action.map(|action| read(&action)).transpose())
        }))
    }

    /// Returns once the engine reports that a container ran out of memory after `since`. Docker may
    /// report it later than the container's end, and never in its state.
    pub(crate) async fn out_of_memory(&self, id: &str, since: (i64, u32)) -> Result<bool> {
        let first = self.container_events(id, since, &["oom"]).next().await;
        first.transpose().map(|action| action.is_some())
    }

    /// Streams each start of a container after a time, and its removal.
    pub(crate) fn container_starts(
        &self,
        id: &str,
        since: (i64, u32),
    ) -> Pin<Box<dyn Stream<Item = Result<String>> + Send>> {
        self.container_events(id, since, &["start", "destroy", "remove"])
    }

    /// Streams the actions of these kinds on one container, after a time.
    pub(super) fn container_events(
        &self,
        id: &str,
        since: (i64, u32),
        kinds: &[&str],
    ) -> Pin<Box<dyn Stream<Item = Result<String>> + Send>> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![id.to_owned()]),
            ("event".to_owned(), kinds.iter().map(|&kind| kind.to_owned()).collect()),
        ]);
        let options = EventsOptionsBuilder::new()
            .since(&format!("{}.{:09}", since.0, since.1))
            .filters(&filters)
            .build();
        let events = self.patient().events(Some(options));
        Box::pin(events.filter_map(|event| {
            let event = match event {
                Ok(event) => event.action.map(Ok),
                Err(error) => Some(Err(convert("follow the engine's events", error))),
            };
            std::future::ready(event)
        }))
    }
}

fn read(action: &str) -> Option<HealthEvent> {
    match action.split_once(':').map(|(kind, rest)| (kind, rest.trim())) {
        Some(("health_status", "healthy")) => Some(HealthEvent::Health(Health::Healthy)),
        Some(("health_status", "unhealthy")) => Some(HealthEvent::Health(Health::Unhealthy)),
        Some(("health_status", "starting")) => Some(HealthEvent::Health(Health::Starting)),
        _ if action == "die" || action == "died" => Some(HealthEvent::Ended),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_docker_and_podman_write_them() {
        assert_eq!(read("health_status: healthy"), Some(HealthEvent::Health(Health::Healthy)));
        assert_eq!(read("health_status: unhealthy"), Some(HealthEvent::Health(Health::Unhealthy)));
        assert_eq!(read("die"), Some(HealthEvent::Ended));
        assert_eq!(read("died"), Some(HealthEvent::Ended));
        assert_eq!(read("exec_die"), None);
    }
}

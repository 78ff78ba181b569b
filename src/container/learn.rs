//! The inspect call after a container's start.

use std::time::{Duration, Instant};

use crate::engine::{Client, ContainerDetails};
use crate::error::Result;
use crate::spec::ContainerSpec;

/// Limit for an engine to report the ports of a running container.
///
/// In an internal network, Docker never reports any, so the limit must be short.
const BINDINGS_LIMIT: Duration = Duration::from_secs(3);

/// Inspects the container until it shows its published ports, has ended, or the limit has passed.
pub(super) async fn learn(
    engine: &Client,
    id: &str,
    spec: &ContainerSpec,
) -> Result<ContainerDetails> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        let details = engine.inspect_container(id).await?;
        let bound = spec.ports.keys().all(|port| details.ports.contains_key(port));
        if bound || !details.state.running || began.elapsed() > BINDINGS_LIMIT {
            return Ok(details);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

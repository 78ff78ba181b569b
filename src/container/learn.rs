//! The one look at a container that was started.

use std::time::{Duration, Instant};

use crate::engine::{ContainerDetails, Engine};
use crate::error::Result;
use crate::spec::ContainerSpec;

/// How long an engine may take to show the ports of a container that runs.
///
/// An internal network never has any on Docker, so this is not for long.
const BINDINGS_LIMIT: Duration = Duration::from_secs(3);

/// Inspects until published ports are shown, or there is nothing to wait for.
pub(super) async fn learn(
    engine: &Engine,
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

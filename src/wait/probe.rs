//! [`ProbeWait`]: waits until a closure returns `Ok(true)`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::Result;

type Probe = dyn Fn(WaitTarget) -> Pin<Box<dyn Future<Output = Result<bool>> + Send>> + Send + Sync;

/// A wait for a closure to return `Ok(true)`; made by [`WaitFor::probe`].
#[derive(Clone)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct ProbeWait {
    description: String,
    identity: Option<String>,
    probe: Arc<Probe>,
}

impl ProbeWait {
    pub(super) fn new<F, Fut>(description: String, probe: F) -> Self
    where
        F: Fn(WaitTarget) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool>> + Send + 'static,
    {
        ProbeWait {
            description,
            identity: None,
            probe: Arc::new(move |target| Box::pin(probe(target))),
        }
    }

    /// Sets a name that identifies the closure. Closures can't be compared: without a name,
    /// everyone who joins a [shared](crate::ContainerBuilder::shared) container waits for this
    /// condition again.
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl fmt::Debug for ProbeWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProbeWait").field(&self.description).finish()
    }
}

impl WaitStrategy for ProbeWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("probe {:?}", self.identity.as_ref()?))
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                match (self.probe)(target.clone()).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => target.record_probe(with_causes(&error)),
                }
                backoff.pause().await;
            }
        })
    }
}

/// Returns the text of an error and its causes, on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

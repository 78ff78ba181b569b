//! Stopping, starting and the like. The ports are updated after every start.

use std::time::{Duration, Instant};

use super::Container;
use super::learn::learn;
use super::start::PORT_ATTEMPTS;
use crate::error::{ErrorKind, Result};
use crate::wait::diagnose;

impl Container {
    /// Starts the container after a [`create`](super::ContainerBuilder::create) or a
    /// [`stop`](Self::stop), and waits until it is ready. Log waits match only output from now on.
    ///
    /// # Errors
    /// As for [`ContainerBuilder::start`](super::ContainerBuilder::start). The container is not
    /// removed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may run without being ready.
    pub async fn start(&self) -> Result<()> {
        let engine = self.own_client()?;
        let outcome = self.with_other_ports(engine.start_container(self.id()).await).await;
        self.after_start(outcome.map_err(|error| error.at("start"))).await
    }

    /// Stops and starts the container, and waits until it is ready. Its free ports may change.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may or may not run.
    pub async fn restart(&self) -> Result<()> {
        let engine = self.own_client()?;
        let outcome = engine.restart_container(self.id(), self.spec().stop_timeout).await;
        let outcome = self.with_other_ports(outcome).await;
        self.after_start(outcome.map_err(|error| error.at("restart"))).await
    }

    /// Starts the container again if another process took a free port between the engine's choice
    /// and its use: each start chooses anew.
    async fn with_other_ports(&self, mut outcome: Result<()>) -> Result<()> {
        if self.spec().has_fixed_port() {
            return outcome;
        }
        for _ in 0..PORT_ATTEMPTS {
            match &outcome {
                Err(error) if error.kind() == ErrorKind::PortTaken => {
                    tracing::warn!(%error, "the container did not start and is started again");
                    outcome = self.client().start_container(self.id()).await;
                }
                _ => break,
            }
        }
        outcome
    }

    async fn after_start(&self, outcome: Result<()>) -> Result<()> {
        let began = Instant::now();
        let ready = async {
            outcome?;
            let details = learn(self.client(), self.id(), self.spec()).await;
            self.relearn(details.map_err(|error| error.at("inspect"))?);
            let left = self.startup_timeout().saturating_sub(began.elapsed());
            self.up(left, true).await
        };
        match ready.await {
            Ok(()) => Ok(()),
            Err(error) => Err(diagnose(self.client(), self.id(), self.told(error)).await),
        }
    }

    /// Asks the container to stop, and kills it if it still runs after the stop timeout.
    ///
    /// # Errors
    /// Fails if the engine can't stop it. A container that is stopped already is no error.
    ///
    /// # Cancel safety
    /// The engine goes on stopping it if the future is dropped.
    pub async fn stop(&self) -> Result<()> {
        self.stop_with(self.spec().stop_timeout).await
    }

    /// Asks the container to stop, and kills it if it still runs after `grace`, in whole seconds,
    /// rounded up.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    ///
    /// # Cancel safety
    /// The engine goes on stopping it if the future is dropped.
    pub async fn stop_within(&self, grace: Duration) -> Result<()> {
        self.stop_with(Some(grace)).await
    }

    async fn stop_with(&self, grace: Option<Duration>) -> Result<()> {
        let stopped = self.own_client()?.stop_container(self.id(), grace).await;
        stopped.map_err(|error| self.told(error.at("stop")))?;
        // A stopped container publishes no ports, so no inspect call is needed.
        let mut details = self.known();
        details.ports.clear();
        details.state.running = false;
        self.relearn(details);
        Ok(())
    }

    /// Sends a signal to the container: `"SIGHUP"`, `"KILL"`, `"15"`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the container doesn't run.
    ///
    /// # Cancel safety
    /// If the future is dropped, the signal may or may not have been sent.
    pub async fn kill(&self, signal: impl AsRef<str>) -> Result<()> {
        let sent = self.own_client()?.kill_container(self.id(), signal.as_ref()).await;
        sent.map_err(|error| self.told(error.at("kill")))
    }

    /// Freezes all processes of the container.
    ///
    /// # Errors
    /// Fails if the engine can't, for instance because the container doesn't run.
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may or may not be paused.
    pub async fn pause(&self) -> Result<()> {
        let paused = self.own_client()?.pause_container(self.id()).await;
        paused.map_err(|error| self.told(error.at("pause")))
    }

    /// Resumes the container after a [`pause`](Self::pause).
    ///
    /// # Errors
    /// Fails if the engine can't, for instance because the container is not paused.
    ///
    /// # Cancel safety
    /// If the future is dropped, the container may or may not be paused.
    pub async fn unpause(&self) -> Result<()> {
        let going = self.own_client()?.unpause_container(self.id()).await;
        going.map_err(|error| self.told(error.at("unpause")))
    }

    /// Waits until the container ends and returns its exit code. The engine pushes it. A container
    /// that its restart policy starts again has not ended; for one that was never started, the
    /// start is waited for first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it is removed before it is started.
    /// Also fails if the connection to the engine is lost.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn wait(&self) -> Result<i64> {
        let engine = self.own_client()?;
        let ended = async {
            if matches!(self.known().state.status.as_str(), "" | "created") {
                engine.until_started(self.id()).await?;
            }
            engine.last_exit(self.id(), self.restarts()).await
        };
        ended.await.map_err(|error| self.told(error.at("wait")))
    }
}

//! [`WaitTarget`]: a container from the view of a wait.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::connection::Engine;
use crate::engine::{Client, ContainerDetails, ExecOutput, ExecRequest, LogRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ContainerSpec, IntoPort, Port, Protocol, RestartPolicy};

/// A started container, as passed to wait strategies. Clones are cheap and share one value.
#[derive(Clone, Debug)]
pub struct WaitTarget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    spec: Arc<ContainerSpec>,
    id: String,
    name: String,
    details: RwLock<Arc<ContainerDetails>>,
    restarted: bool,
    /// A time before this start and after all output written until then.
    first: Option<(i64, u32)>,
    last_probe: Mutex<Option<String>>,
}

impl WaitTarget {
    /// Creates a target. `restarted`: the log may contain lines of an earlier run.
    pub(crate) fn new(
        engine: Engine,
        spec: Arc<ContainerSpec>,
        details: ContainerDetails,
        restarted: bool,
    ) -> Self {
        WaitTarget(Arc::new(Inner {
            engine,
            spec,
            id: details.id.clone(),
            name: details.name.clone(),
            first: details.between_runs(),
            details: RwLock::new(Arc::new(details)),
            restarted,
            last_probe: Mutex::default(),
        }))
    }

    /// Returns the engine that the container runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Returns the container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the name of the image, as the caller gave it.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.0.spec.image
    }

    pub(super) fn client(&self) -> &Client {
        self.0.engine.client()
    }

    pub(super) fn spec(&self) -> &ContainerSpec {
        &self.0.spec
    }

    /// Returns the result of the inspect call after the last start, including starts by the
    /// container's restart policy.
    #[must_use]
    pub fn details(&self) -> Arc<ContainerDetails> {
        self.0.details.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn relearn(&self, details: ContainerDetails) {
        *self.0.details.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(details);
    }

    /// Returns whether the engine starts the container again when it ends.
    pub(super) fn is_restarted(&self) -> bool {
        self.details().restart != RestartPolicy::No
    }

    /// Waits until the container has ended for good, and returns its exit code. Updates the ports
    /// whenever it is started again.
    pub(super) async fn last_exit(&self) -> Result<i64> {
        loop {
            let code = self.client().wait_container(self.id()).await?;
            if !self.is_restarted() || !self.runs_again().await? {
                return Ok(code);
            }
        }
    }

    /// Waits until the container runs, again if necessary, and updates the ports; `false` if it has
    /// ended for good.
    pub(super) async fn runs_again(&self) -> Result<bool> {
        let next = self.client().next_run(self.id()).await?;
        Ok(next.map(|details| self.relearn(details)).is_some())
    }

    /// Returns the address as [`addr`](Self::addr) does; `None` while the container is between two
    /// runs.
    pub(super) fn addr_of_run(&self, port: Port) -> Result<Option<SocketAddr>> {
        match self.addr(port) {
            Err(_) if self.is_restarted() && !self.details().state.running => {
                self.record_probe("the container is about to be started again");
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// Returns the address of a published port, as reached from this process.
    ///
    /// # Errors
    /// [`ErrorKind::PortNotPublished`] if the port is not published; the message lists those that
    /// are.
    pub fn addr(&self, port: impl IntoPort) -> Result<SocketAddr> {
        self.details().addr(port.into_port()?, self.0.engine.client().host())
    }

    /// Returns all published TCP ports.
    #[must_use]
    pub fn tcp_ports(&self) -> Vec<Port> {
        let details = self.details();
        let ports = details.ports.keys();
        ports.filter(|port| port.protocol() == Protocol::Tcp).copied().collect()
    }

    /// Runs a command in the container.
    ///
    /// # Errors
    /// Fails if the engine can't run it. A command that fails is an output with its exit code.
    ///
    /// # Cancel safety
    /// The command goes on in the container if the future is dropped.
    pub async fn exec(
        &self,
        command: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ExecOutput> {
        let command = command.into_iter().map(Into::into).collect();
        let request = ExecRequest { command, ..ExecRequest::default() };
        self.0.engine.client().exec_output(self.id(), &request).await
    }

    /// Records the result of a probe. An error of the wait shows the last one.
    pub fn record_probe(&self, what: impl Into<String>) {
        *self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    /// Records the progress of a log wait, without allocating: it is called for every piece of the
    /// log.
    pub(super) fn seen_log(&self, bytes: usize, found: u64, wanted: u64) {
        let mut last = self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner);
        let text = last.get_or_insert_default();
        text.clear();
        let _ = write!(text, "{found} of {wanted} matches in {bytes} bytes of log");
    }

    pub(super) fn last_seen(&self) -> Option<String> {
        self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the request that follows the log of this start.
    pub(super) fn log_request(&self) -> LogRequest {
        // The runs that a restart policy began since then count as well.
        let since = self.0.first.filter(|_| self.0.restarted);
        LogRequest { since, ..LogRequest::follow(self.details().tty) }
    }

    /// Returns the error for a container that has ended before it was ready.
    pub(super) fn ended(&self, code: Option<i64>) -> Error {
        let message = match code {
            Some(code) => format!("the container exited with code {code} before it was ready"),
            None => "the container exited before it was ready".to_owned(),
        };
        let error = Error::new(ErrorKind::Exited, message);
        match code {
            Some(code) => error.with_exit(code, false),
            None => error,
        }
    }
}

//! [`WaitTarget`]: what a wait sees of a container.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::engine::{ContainerDetails, Engine, ExecOutput, ExecRequest, LogRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ContainerSpec, IntoPort, Port, Protocol, RestartPolicy};

/// A started container, as wait strategies see it. A cheap clone of one shared value.
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
    /// Before this start, and after what was written until then.
    first: Option<(i64, u32)>,
    last_probe: Mutex<Option<String>>,
}

impl WaitTarget {
    /// `restarted`: its log may hold lines of an earlier run.
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

    /// The engine it runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The image, as it was asked for.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.0.spec.image
    }

    pub(super) fn spec(&self) -> &ContainerSpec {
        &self.0.spec
    }

    /// What the inspect after the start told; of a container that its restart policy started
    /// again, what the last one did.
    #[must_use]
    pub fn details(&self) -> Arc<ContainerDetails> {
        self.0.details.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn relearn(&self, details: ContainerDetails) {
        *self.0.details.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(details);
    }

    /// Whether the engine starts it again when it ends.
    pub(super) fn is_restarted(&self) -> bool {
        self.details().restart != RestartPolicy::No
    }

    /// Comes back with the exit code when it has ended for good. Whenever it was started again,
    /// its ports are learned anew.
    pub(super) async fn last_exit(&self) -> Result<i64> {
        loop {
            let code = self.engine().wait_container(self.id()).await?;
            if !self.is_restarted() || !self.runs_again().await? {
                return Ok(code);
            }
        }
    }

    /// Comes back when it runs, again if need be, and learns its ports; `false` when it has ended
    /// for good.
    pub(super) async fn runs_again(&self) -> Result<bool> {
        let next = self.engine().next_run(self.id()).await?;
        Ok(next.map(|details| self.relearn(details)).is_some())
    }

    /// As [`addr`](Self::addr); `None` while it is between two runs.
    pub(super) fn addr_of_run(&self, port: Port) -> Result<Option<SocketAddr>> {
        match self.addr(port) {
            Err(_) if self.is_restarted() && !self.details().state.running => {
                self.record_probe("the container is about to be started again");
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// The address under which a published port is reached from here.
    ///
    /// # Errors
    /// [`ErrorKind::PortNotPublished`] for a port that is not published, with those that are.
    pub fn addr(&self, port: impl IntoPort) -> Result<SocketAddr> {
        self.details().addr(port.into_port()?, self.0.engine.host())
    }

    /// All published TCP ports.
    #[must_use]
    pub fn tcp_ports(&self) -> Vec<Port> {
        let details = self.details();
        let ports = details.ports.keys();
        ports.filter(|port| port.protocol() == Protocol::Tcp).copied().collect()
    }

    /// Runs a command in the container.
    ///
    /// # Errors
    /// When the engine can't run it. A command that fails is an output with its code.
    ///
    /// # Cancel safety
    /// The command goes on in the container when the future is dropped.
    pub async fn exec(
        &self,
        command: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ExecOutput> {
        let command = command.into_iter().map(Into::into).collect();
        let request = ExecRequest { command, ..ExecRequest::default() };
        self.0.engine.exec_output(self.id(), &request).await
    }

    /// Notes what a probe saw. The last note is shown when the wait fails.
    pub fn record_probe(&self, what: impl Into<String>) {
        *self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    /// What a log wait saw so far; kept cheap, as it is noted for every piece of the log.
    pub(super) fn seen_log(&self, bytes: usize, found: u64, wanted: u64) {
        let mut last = self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner);
        let text = last.get_or_insert_default();
        text.clear();
        let _ = write!(text, "{found} of {wanted} matches in {bytes} bytes of log");
    }

    pub(super) fn last_seen(&self) -> Option<String> {
        self.0.last_probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This start's log, followed.
    pub(super) fn log_request(&self) -> LogRequest {
        // Runs that a restart policy began since count as well.
        let since = self.0.first.filter(|_| self.0.restarted);
        LogRequest { since, ..LogRequest::follow(self.details().tty) }
    }

    /// What is wrong when the container is found to have ended.
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

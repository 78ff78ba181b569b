//! [`ExitWait`]: waits until the container exits.

use std::time::Duration;

use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, ErrorKind};

/// A wait for the container to exit; made by [`WaitFor::exit`]. An exit after which a restart
/// policy starts the container again does not count.
#[derive(Clone, Debug, Default)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct ExitWait {
    code: Option<i64>,
}

impl ExitWait {
    /// Accepts this exit code only; any other is an error.
    pub fn with_exit_code(mut self, code: i64) -> Self {
        self.code = Some(code);
        self
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl WaitStrategy for ExitWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("exit {:?}", self.code))
    }

    fn describe(&self) -> String {
        match self.code {
            Some(code) => format!("exit with code {code}"),
            None => "exit".to_owned(),
        }
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let code = target.last_exit().await?;
            match self.code {
                Some(wanted) if wanted != code => {
                    let message = format!("the container exited with code {code}, not {wanted}");
                    Err(Error::new(ErrorKind::Exited, message).with_exit(code, false))
                }
                _ => Ok(()),
            }
        })
    }

    fn sees_exit(&self) -> bool {
        true
    }
}

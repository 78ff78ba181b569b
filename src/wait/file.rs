//! [`FileWait`]: waits until a path exists in the container.

use std::time::Duration;

use super::backoff::Backoff;
use super::probe::with_causes;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::engine::{ExecRequest, InMemory, Way};
use crate::error::{Error, ErrorKind, Result};

/// A wait for a file or directory in the container; made by [`WaitFor::file`].
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct FileWait(String);

impl FileWait {
    pub(super) fn new(path: String) -> Self {
        FileWait(path)
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }
}

impl WaitStrategy for FileWait {
    fn fingerprint(&self) -> Option<String> {
        Some(format!("file {:?}", self.0))
    }

    fn describe(&self) -> String {
        format!("file `{}`", self.0)
    }

    fn check(&self) -> Result<()> {
        if self.0.starts_with('/') {
            return Ok(());
        }
        Err(Error::invalid("wait", format!("the file's path `{}` is not absolute", self.0)))
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            let mut way = None;
            loop {
                match exists(target, &self.0, &mut way).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => target.record_probe("it does not exist"),
                    // Between two runs the engine may refuse the call.
                    Err(error) if error.is_engine_answer() && target.is_restarted() => {
                        target.record_probe(with_causes(&error));
                    }
                    Err(error) => return Err(error),
                }
                backoff.pause().await;
            }
        })
    }
}

/// Returns whether the path exists. The engine has no access to a tmpfs; there a command in the
/// container checks. Which of the two applies is determined once.
async fn exists(target: &WaitTarget, path: &str, way: &mut Option<Way>) -> Result<bool> {
    let (engine, id) = (target.client(), target.id());
    let found = match *way {
        Some(way) => way,
        None => {
            let memory = InMemory::of(target.spec()).through_links(engine, id).await?;
            memory.way_to(engine, id, path, |_| false).await?
        }
    };
    *way = Some(found);
    if found != Way::Command {
        return Ok(engine.stat_path(id, path).await?.is_some());
    }
    let command = ["sh", "-c", r#"[ -e "$1" ] || [ -L "$1" ] || exit 44"#, "sh", path];
    let command = command.map(str::to_owned).to_vec();
    let request = ExecRequest { command, user: Some("0".to_owned()), ..ExecRequest::default() };
    let hint = "the file is in a tmpfs, where only a `sh` in the container can look";
    let output = engine.exec_output(id, &request).await.map_err(|error| error.with_hint(hint))?;
    match output.exit_code {
        0 => Ok(true),
        44 => Ok(false),
        _ => {
            let message = format!("failed to look for `{path}`: {}", output.summary());
            Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint))
        }
    }
}

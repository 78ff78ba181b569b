//! [`FileWait`]: a path exists in the container.

use std::time::Duration;

use super::backoff::Backoff;
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, Result};

/// A file or directory exists in the container; made by [`WaitFor::file`].
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct FileWait(String);

impl FileWait {
    pub(super) fn new(path: String) -> Self {
        FileWait(path)
    }

    /// A limit for this condition alone.
    pub fn timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).timeout(limit)
    }
}

impl WaitStrategy for FileWait {
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
            while target.engine().stat_path(target.id(), &self.0).await?.is_none() {
                target.seen("it does not exist");
                backoff.pause().await;
            }
            Ok(())
        })
    }
}

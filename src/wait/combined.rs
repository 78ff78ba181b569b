//! Combined conditions: all of them, one after the other, or any.

use futures_util::future::{select_ok, try_join_all};

use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct All(pub(super) Vec<WaitFor>);

#[derive(Debug)]
pub(super) struct Sequence(pub(super) Vec<WaitFor>);

#[derive(Debug)]
pub(super) struct Any(pub(super) Vec<WaitFor>);

fn list(waits: &[WaitFor], between: &str) -> String {
    let each: Vec<_> = waits.iter().map(WaitFor::describe).collect();
    format!("({})", each.join(between))
}

fn fingerprints(of: &str, waits: &[WaitFor]) -> Option<String> {
    let each: Vec<String> = waits.iter().map(WaitFor::fingerprint).collect::<Option<_>>()?;
    Some(format!("{of} {each:?}"))
}

impl WaitStrategy for All {
    fn fingerprint(&self) -> Option<String> {
        fingerprints("all", &self.0)
    }

    fn describe(&self) -> String {
        list(&self.0, " and ")
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(all(&self.0, target))
    }

    fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(WaitFor::check)
    }

    fn sees_exit(&self) -> bool {
        self.0.iter().all(WaitFor::sees_exit)
    }
}

impl WaitStrategy for Sequence {
    fn fingerprint(&self) -> Option<String> {
        fingerprints("sequence", &self.0)
    }

    fn describe(&self) -> String {
        list(&self.0, " then ")
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            for wait in &self.0 {
                wait.wait(target).await?;
            }
            Ok(())
        })
    }

    fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(WaitFor::check)
    }

    fn sees_exit(&self) -> bool {
        self.0.iter().all(WaitFor::sees_exit)
    }
}

impl WaitStrategy for Any {
    fn fingerprint(&self) -> Option<String> {
        fingerprints("any", &self.0)
    }

    fn describe(&self) -> String {
        list(&self.0, " or ")
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            let waits = self.0.iter().map(|wait| Box::pin(wait.wait(target)));
            select_ok(waits).await.map(drop)
        })
    }

    fn check(&self) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::invalid("wait", "`any` of no conditions never comes true"));
        }
        self.0.iter().try_for_each(WaitFor::check)
    }

    fn sees_exit(&self) -> bool {
        self.0.iter().all(WaitFor::sees_exit)
    }
}

/// Describes several waits of one container.
pub(super) fn describe_all(waits: &[WaitFor]) -> String {
    match waits {
        [] => "the container to run".to_owned(),
        [one] => one.describe(),
        several => list(several, " and "),
    }
}

/// Waits for all of a container's waits at once.
pub(super) async fn all(waits: &[WaitFor], target: &WaitTarget) -> Result<()> {
    try_join_all(waits.iter().map(|wait| wait.wait(target))).await.map(drop)
}

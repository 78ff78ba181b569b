//! [`WaitStrategy`]: the trait of wait conditions, for custom ones.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::WaitTarget;
use crate::error::Result;

/// The future returned by [`WaitStrategy::wait`].
pub type WaitFuture<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A condition for a container to be ready. It rarely needs to be implemented:
/// [`WaitFor`](super::WaitFor) has the usual ones, and its [`probe`](super::WaitFor::probe) takes a
/// closure.
///
/// ```
/// use castoff::wait::{WaitFuture, WaitStrategy, WaitTarget};
///
/// #[derive(Debug)]
/// struct Greets(u16);
///
/// impl WaitStrategy for Greets {
///     fn describe(&self) -> String {
///         format!("a greeting on port {}", self.0)
///     }
///
///     fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
///         Box::pin(async move {
///             let addr = target.addr(self.0)?;
///             target.record_probe(format!("{addr} asked"));
///             // ask `addr` until it greets
///             Ok(())
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no wait condition",
    note = "use one of the constructors of `WaitFor`, or implement `WaitStrategy`"
)]
pub trait WaitStrategy: Send + Sync + fmt::Debug {
    /// Describes the condition, as an error shows it after "condition:".
    fn describe(&self) -> String;

    /// Returns when the condition holds, or with an error when it never will.
    ///
    /// It need not watch for the container's end or for a time limit: the caller races this future
    /// with both, and then drops it.
    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a>;

    /// Checks the condition itself, before anything is created.
    ///
    /// # Errors
    /// Fails if the condition can't be used, for example because of an invalid pattern.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Returns a text that identifies this condition: conditions with equal fingerprints are the
    /// same. A process that joins a [shared](crate::ContainerBuilder::shared) container does not
    /// repeat the waits of its creator. `None`, the default, equals no other, so its condition is
    /// always waited for.
    ///
    /// The text must be the same in every process. It is hashed, so it may contain secrets.
    fn fingerprint(&self) -> Option<String> {
        None
    }

    /// Returns whether this strategy itself returns when the container ends, which saves a call to
    /// the engine that waits for the end.
    fn sees_exit(&self) -> bool {
        false
    }
}

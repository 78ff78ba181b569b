//! [`WaitStrategy`]: what a wait is, for those who write one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::WaitTarget;
use crate::error::Result;

/// What [`WaitStrategy::wait`] returns.
pub type WaitFuture<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A condition for a container to be ready. Few write one: [`WaitFor`](super::WaitFor) has the
/// usual ones, and its [`probe`](super::WaitFor::probe) takes a closure.
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
    /// What is waited for, as it reads on in an error after "condition:".
    fn describe(&self) -> String;

    /// Comes back when the condition holds, or with an error when it never will.
    ///
    /// There is no need to watch for the container's end or for a time limit: whoever calls
    /// races this future with both, and drops it then.
    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a>;

    /// Says what is wrong with the condition itself, before anything is created.
    ///
    /// # Errors
    /// When the condition can't be used, such as a pattern that is none.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// What tells this condition from others: two with the same are the same condition. Whoever
    /// joins a [shared](crate::ContainerBuilder::shared) container does not wait again for what
    /// its maker waited for. `None`, the default, is never the same, and so always waited for.
    ///
    /// It must be the same in every process, and is hashed, so it may hold secrets.
    fn fingerprint(&self) -> Option<String> {
        None
    }

    /// Whether this strategy itself comes back when the container ends, which spares the
    /// engine a call that would watch for that.
    fn sees_exit(&self) -> bool {
        false
    }
}

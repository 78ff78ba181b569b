//! [`Module`]: the typed description of a service, and a typed handle to one that runs.

use crate::engine::Engine;
use crate::error::Result;
use crate::wait::WaitFor;
use crate::{Container, ContainerBuilder};

/// The typed description of a service: the container that it needs, and the handle to it.
///
/// A module implements three methods; starting, sharing and customizing are provided. It needs
/// nothing but castoff's public API, like the modules in the crate `castoff-modules`:
///
/// ```no_run
/// use castoff::{Container, ContainerBuilder, Module, Result, WaitFor};
///
/// /// A mail server that keeps what it gets.
/// struct Mailpit(ContainerBuilder);
///
/// struct MailpitServer(Container);
///
/// impl Module for Mailpit {
///     type Server = MailpitServer;
///
///     fn container_mut(&mut self) -> &mut ContainerBuilder {
///         &mut self.0
///     }
///
///     fn lower(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
///         let ready = WaitFor::http("/readyz").with_port(8025);
///         Ok(container.with_port(8025).with_port(1025).with_wait(ready))
///     }
///
///     async fn attach(self, container: Container) -> Result<MailpitServer> {
///         Ok(MailpitServer(container))
///     }
/// }
///
/// # async fn run() -> Result<()> {
/// let mail = Mailpit(Container::builder("axllent/mailpit:v1")).shared().await?;
/// # Ok(())
/// # }
/// ```
pub trait Module: Sized + Send {
    /// The handle to a running service. It owns the container.
    type Server: Send;

    /// Returns the container as described so far: the image, and the settings of the user.
    fn container_mut(&mut self) -> &mut ContainerBuilder;

    /// Adds what the service needs to the container: ports, environment, command, a wait. If the
    /// user has set a wait, or none at all, that setting wins over the wait that is added here.
    ///
    /// `container` already has the user's settings, so check its [`spec`](ContainerBuilder::spec)
    /// before setting a value that may be set. The same module must lower to the same container
    /// every time, or it can't be shared.
    ///
    /// # Errors
    /// Fails if an option can't be used, preferably with
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    fn lower(&self, container: ContainerBuilder) -> Result<ContainerBuilder>;

    /// Does the work that must precede the container, such as building an image. Default: nothing.
    ///
    /// # Errors
    /// Fails if the container can't be prepared.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Creates the handle once the container is ready; for a shared container, once per handle.
    ///
    /// Work that must be done once for all handles belongs into [`Container::set_up_once`]. When
    /// this fails or is cancelled, the container is dropped.
    ///
    /// # Errors
    /// Fails if the handle can't be created.
    fn attach(self, container: Container) -> impl Future<Output = Result<Self::Server>> + Send;

    /// Changes any other setting of the container. The module, and so the handle, stays the same.
    #[must_use]
    fn customize(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        let container = take(self.container_mut());
        *self.container_mut() = change(container);
        self
    }

    /// Adds a condition to wait for, in place of the module's own. Several are waited for at the
    /// same time. The module's own set-up of a ready container may need more than these.
    #[must_use]
    fn with_wait(self, wait: impl Into<WaitFor>) -> Self {
        self.customize(|container| container.with_wait(wait))
    }

    /// Sets the engine to use. Default: the process-wide one of [`Engine::connect`].
    #[must_use]
    fn with_engine(self, engine: &Engine) -> Self {
        self.customize(|container| container.with_engine(engine))
    }

    /// Starts the service and waits until it is ready.
    ///
    /// # Errors
    /// Those of [`lower`](Self::lower), of [`ContainerBuilder::start`], and of
    /// [`attach`](Self::attach).
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed.
    fn start(mut self) -> impl Future<Output = Result<Self::Server>> + Send {
        async {
            self.prepare().await?;
            let container = self.lowered()?.start().await?;
            self.attach(container).await
        }
    }

    /// Starts the service, or joins the running one that has exactly the same description; see
    /// [`ContainerBuilder::shared`].
    ///
    /// # Errors
    /// Those of [`lower`](Self::lower), of [`ContainerBuilder::shared`], and of
    /// [`attach`](Self::attach).
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed, and another caller
    /// that waits for the service creates it anew.
    fn shared(self) -> impl Future<Output = Result<Self::Server>> + Send {
        self.shared_as("")
    }

    /// Shares the service as [`shared`](Self::shared) does, with callers that name the same scope
    /// only.
    ///
    /// # Errors
    /// As for [`shared`](Self::shared).
    ///
    /// # Cancel safety
    /// As for [`shared`](Self::shared).
    fn shared_as(
        mut self,
        scope: impl Into<String>,
    ) -> impl Future<Output = Result<Self::Server>> + Send {
        let scope = scope.into();
        async {
            self.prepare().await?;
            let container = self.lowered()?.shared_as(scope).await?;
            self.attach(container).await
        }
    }

    /// Returns the user's container, lowered, and leaves an empty one behind.
    #[doc(hidden)]
    fn lowered(&mut self) -> Result<ContainerBuilder> {
        let container = take(self.container_mut());
        let own = container.waits().clone();
        let lowered = self.lower(container)?;
        // The user's waits replace the module's.
        Ok(match own {
            Some(waits) if waits.is_empty() => lowered,
            waits => lowered.with_waits(waits),
        })
    }
}

fn take(container: &mut ContainerBuilder) -> ContainerBuilder {
    std::mem::replace(container, Container::builder(""))
}

//! [`Module`]: a service as a typed recipe, and a typed handle over the running one.

use crate::engine::Engine;
use crate::error::Result;
use crate::wait::WaitFor;
use crate::{Container, ContainerBuilder};

/// A service as a typed recipe: what its container has to be, and the handle that comes out.
///
/// Three methods make one; starting, sharing and customising come with it. A module of one's own
/// needs nothing else of castoff than its public API, as the crate `castoff-modules` does:
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
    /// The handle to one that runs. It owns the container.
    type Server: Send;

    /// The container as it is described so far: image, and what the user made of it.
    fn container_mut(&mut self) -> &mut ContainerBuilder;

    /// Adds to the container what the service needs: ports, environment, command, the wait. Where the
    /// user has set a wait or none at all, that stands, and what is added here is left out.
    ///
    /// What the user has set comes in with `container`, so look at its
    /// [`spec`](ContainerBuilder::spec) before setting what may be there already. The same recipe
    /// must lower to the same container every time, else it can't be shared.
    ///
    /// # Errors
    /// An option that can't be used, best told with
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    fn lower(&self, container: ContainerBuilder) -> Result<ContainerBuilder>;

    /// What has to be done before there can be a container, such as making an image. By default
    /// nothing.
    ///
    /// # Errors
    /// Whatever keeps the container from being made.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Makes the handle, once the container is ready: for each handle of a shared one, too.
    ///
    /// What has to be done once for all of them belongs into
    /// [`Container::set_up_once`]. When this fails or is cancelled the container is dropped.
    ///
    /// # Errors
    /// Whatever keeps the handle from being made.
    fn attach(self, container: Container) -> impl Future<Output = Result<Self::Server>> + Send;

    /// Anything else about the container. The recipe, and so the handle, stays what it is.
    #[must_use]
    fn customize(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        let container = take(self.container_mut());
        *self.container_mut() = change(container);
        self
    }

    /// What to wait for, in place of the module's own condition. Several are waited for at the same
    /// time. What the module sets up once the container is ready may need more.
    #[must_use]
    fn with_wait(self, wait: impl Into<WaitFor>) -> Self {
        self.customize(|container| container.with_wait(wait))
    }

    /// The engine to use. Default: the process-wide one of [`Engine::connect`].
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
    /// Whenever the future is dropped, what it had created is removed.
    fn start(mut self) -> impl Future<Output = Result<Self::Server>> + Send {
        async {
            self.prepare().await?;
            let container = self.lowered()?.start().await?;
            self.attach(container).await
        }
    }

    /// Starts the service, or joins the one that was started for exactly the same; see
    /// [`ContainerBuilder::shared`].
    ///
    /// # Errors
    /// Those of [`lower`](Self::lower), of [`ContainerBuilder::shared`], and of
    /// [`attach`](Self::attach).
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, what it had created is removed, and another one who waits
    /// for it creates it anew.
    fn shared(self) -> impl Future<Output = Result<Self::Server>> + Send {
        self.shared_as("")
    }

    /// As [`shared`](Self::shared), with those only who name the same scope.
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

    /// The whole container: what the user described, lowered. Leaves an empty one behind.
    #[doc(hidden)]
    fn lowered(&mut self) -> Result<ContainerBuilder> {
        let container = take(self.container_mut());
        let own = container.waits().clone();
        let lowered = self.lower(container)?;
        // What the user waits for takes the place of what the module would.
        Ok(match own {
            Some(waits) if waits.is_empty() => lowered,
            waits => lowered.with_waits(waits),
        })
    }
}

fn take(container: &mut ContainerBuilder) -> ContainerBuilder {
    std::mem::replace(container, Container::builder(""))
}

//! [`Module`]: the description of a service, and a typed handle to one that runs.

use crate::connection::Engine;
use crate::error::Result;
use crate::wait::WaitFor;
use crate::{Container, ContainerBuilder};

/// The description of a service: its container, and the type of the handle to a running one.
///
/// An implementation has three methods; starting, sharing and customizing come with the trait. It
/// needs castoff's public API only, as the modules of the crate `castoff-modules` do:
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
///     fn builder_mut(&mut self) -> &mut ContainerBuilder {
///         &mut self.0
///     }
///
///     fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
///         let ready = WaitFor::http("/readyz").with_port(8025);
///         Ok(container.with_port(8025).with_port(1025).with_wait(ready))
///     }
///
///     async fn into_server(self, container: Container) -> Result<MailpitServer> {
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

    /// Returns the container as described so far: its image, and the settings of the user.
    fn builder_mut(&mut self) -> &mut ContainerBuilder;

    /// Adds the settings that the service needs: ports, environment, command, waits. Waits of the
    /// user's, or the user's wish for none, replace the waits that are added here.
    ///
    /// `container` already has the settings of the user: check its
    /// [`spec`](ContainerBuilder::spec) before you set something that the user may have set. The
    /// same module must configure the same container every time, or it can't be shared.
    ///
    /// # Errors
    /// Fails for an option that can't be used, best with
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder>;

    /// Does the work that must precede the container, such as building an image. Default: nothing.
    ///
    /// # Errors
    /// Fails if the container can't be prepared.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Creates the handle. Called once the container is ready; for a shared container once per
    /// handle.
    ///
    /// Work that must happen once for all handles belongs into [`Container::init_once`]. If this
    /// fails or is cancelled, the container is dropped.
    ///
    /// # Errors
    /// Fails if the handle can't be created.
    fn into_server(self, container: Container)
    -> impl Future<Output = Result<Self::Server>> + Send;

    /// Changes anything else about the container. The type, and so the handle, stays the same.
    #[must_use]
    fn customize(mut self, change: impl FnOnce(ContainerBuilder) -> ContainerBuilder) -> Self {
        let builder = take(self.builder_mut());
        *self.builder_mut() = change(builder);
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
    /// Those of [`configure`](Self::configure), of [`ContainerBuilder::start`], and of
    /// [`into_server`](Self::into_server).
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, everything that it created is removed.
    fn start(mut self) -> impl Future<Output = Result<Self::Server>> + Send {
        async {
            self.prepare().await?;
            let container = configured(&mut self)?.start().await?;
            self.into_server(container).await
        }
    }

    /// Starts the service, or joins the running one that has exactly the same description; see
    /// [`ContainerBuilder::shared`].
    ///
    /// # Errors
    /// Those of [`configure`](Self::configure), of [`ContainerBuilder::shared`], and of
    /// [`into_server`](Self::into_server).
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
            let container = configured(&mut self)?.shared_as(scope).await?;
            self.into_server(container).await
        }
    }
}

/// Takes the builder out of a module, and adds to it what the service needs. Waits that the user has
/// set replace those of the module.
fn configured<M: Module>(module: &mut M) -> Result<ContainerBuilder> {
    let builder = take(module.builder_mut());
    let own = builder.waits().clone();
    let configured = module.configure(builder)?;
    Ok(match own {
        Some(waits) if waits.is_empty() => configured,
        waits => configured.with_waits(waits),
    })
}

/// Takes the builder out, and leaves one without an image in its place.
fn take(builder: &mut ContainerBuilder) -> ContainerBuilder {
    std::mem::replace(builder, Container::builder(""))
}

//! The methods that all modules and their handles have in common.

use std::net::SocketAddr;
use std::time::Duration;

use castoff::{Container, Result};

/// Limit for servers that start slowly to become ready. The limit for others is the container's
/// own, 60 s.
pub(crate) const SLOW: Duration = Duration::from_secs(180);

/// A server with one port, in its container.
pub(crate) struct Service {
    pub(crate) container: Container,
    port: u16,
    addr: SocketAddr,
}

impl Service {
    pub(crate) fn new(container: Container, port: u16) -> Result<Self> {
        let addr = container.addr(port)?;
        Ok(Service { container, port, addr })
    }

    /// Returns the address of the port for this program; while the server is stopped, the last one.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.container.addr(self.port).unwrap_or(self.addr)
    }

    /// Returns the address of the port in a network that the container is in.
    pub(crate) fn network_addr(&self) -> String {
        format!("{}:{}", self.container.name(), self.port)
    }
}

/// Defines the inherent methods of a module: a struct with a field `container`, a
/// `ContainerBuilder`, that has `new()`, is `#[must_use]`, and implements [`castoff::Module`].
///
/// `Debug` shows the image and the named fields, which therefore must not hold a secret.
macro_rules! module {
    ($module:ident => $server:ident, $image:literal $(, $shown:ident)*) => {
        impl $module {
            #[doc = concat!("Another tag of `", $image, "`.")]
            pub fn with_tag(self, tag: impl std::fmt::Display) -> Self {
                self.with_image(format!(concat!($image, ":{}"), tag))
            }

            #[doc = concat!("Another image that is used as `", $image, "` is.")]
            pub fn with_image(mut self, image: impl Into<String>) -> Self {
                self.container = self.container.with_image(image);
                self
            }

            /// Sets an environment variable of the container. Variables that the module sets by its
            /// other methods take precedence.
            pub fn with_env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.container = self.container.with_env(key, value);
                self
            }

            /// Changes anything else about the container: networks, limits, labels, volumes. A wait
            /// that is set here replaces the module's, as do `without_wait` and a command.
            pub fn customize(
                self,
                change: impl FnOnce(castoff::ContainerBuilder) -> castoff::ContainerBuilder,
            ) -> Self {
                castoff::Module::customize(self, change)
            }

            /// Sets a wait in place of the module's own. Several run at the same time. Later steps
            /// of the module may need more than they check.
            pub fn with_wait(self, wait: impl Into<castoff::WaitFor>) -> Self {
                castoff::Module::with_wait(self, wait)
            }

            /// Sets the engine to use. Default: the process-wide one of
            /// [`Engine::connect`](castoff::Engine::connect).
            pub fn with_engine(self, engine: &castoff::Engine) -> Self {
                castoff::Module::with_engine(self, engine)
            }

            /// Starts the server and waits until it is ready.
            ///
            /// # Errors
            /// As for [`ContainerBuilder::start`](castoff::ContainerBuilder::start);
            /// [`ErrorKind::InvalidInput`](castoff::ErrorKind::InvalidInput) for an option that
            /// can't be used.
            ///
            /// # Cancel safety
            /// If the future is dropped, everything that it had created is removed.
            pub async fn start(self) -> castoff::Result<$server> {
                castoff::Module::start(self).await
            }

            /// Starts the server, or joins one with exactly the same description, in this process
            /// or another. It is removed some time after its last user has gone; see
            /// [`ContainerBuilder::shared`](castoff::ContainerBuilder::shared).
            ///
            /// # Errors
            /// As for [`start`](Self::start), and for
            /// [`ContainerBuilder::shared`](castoff::ContainerBuilder::shared).
            ///
            /// # Cancel safety
            /// If the future is dropped, everything that it had created is removed, and another
            /// waiting caller creates it again.
            pub async fn shared(self) -> castoff::Result<$server> {
                castoff::Module::shared(self).await
            }

            /// Shares the server like [`shared`](Self::shared), but only with users of the same
            /// scope.
            ///
            /// # Errors
            /// As for [`shared`](Self::shared).
            ///
            /// # Cancel safety
            /// As for [`shared`](Self::shared).
            pub async fn shared_as(self, scope: impl Into<String>) -> castoff::Result<$server> {
                castoff::Module::shared_as(self, scope).await
            }
        }

        impl Default for $module {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Debug for $module {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($module))
                    .field("image", &self.container.spec().image)
                    $(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        }
    };
}

/// Defines the inherent methods of a handle: a struct with a field `service`, a [`Service`].
macro_rules! server {
    ($server:ident $(, $shown:ident)*) => {
        impl $server {
            /// Returns its address for this program. It changes with a restart; while the server is
            /// stopped, it is the last one.
            #[must_use]
            pub fn addr(&self) -> std::net::SocketAddr {
                self.service.addr()
            }

            /// Returns its address for containers in a network that it is in: its container's name,
            /// and its port there.
            #[must_use]
            pub fn network_addr(&self) -> String {
                self.service.network_addr()
            }

            /// Returns the container, for exec, logs, stop and start.
            pub fn container(&self) -> &castoff::Container {
                &self.service.container
            }

            /// Returns the container alone, to [`keep`](castoff::Container::keep) or
            /// [`remove`](castoff::Container::remove) it.
            pub fn into_container(self) -> castoff::Container {
                self.service.container
            }
        }

        impl AsRef<castoff::Container> for $server {
            fn as_ref(&self) -> &castoff::Container {
                &self.service.container
            }
        }

        impl std::fmt::Debug for $server {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($server))
                    .field("container", &self.service.container)
                    .field("addr", &self.service.addr())
                    $(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use {module, server};

/// Returns the container that a module describes, for tests.
#[cfg(test)]
pub(crate) fn spec_of<M: castoff::Module>(mut module: M) -> castoff::spec::ContainerSpec {
    let container = std::mem::replace(module.builder_mut(), Container::builder(""));
    module.configure(container).expect("a module whose options can be used").spec().clone()
}

/// Returns the container that a module describes as JSON, for snapshots: `Debug` hides values.
#[cfg(test)]
pub(crate) fn json_of<M: castoff::Module>(module: M) -> String {
    serde_json::to_string_pretty(&spec_of(module)).expect("a spec is JSON")
}

//! Containers from images that castoff built.

use super::{Container, ContainerBuilder};
use crate::error::Result;
use crate::image::{Image, ImageBuilder};
use crate::spec::ContainerSpec;

impl Image {
    /// Describes a container of this image, which is kept until the container is removed.
    ///
    /// ```no_run
    /// use castoff::Image;
    ///
    /// # async fn run() -> castoff::Result<()> {
    /// let image = Image::builder("./service").build().await?;
    /// let service = image.container().with_port(8080).start().await?;
    /// # drop(service);
    /// # Ok(())
    /// # }
    /// ```
    pub fn container(&self) -> ContainerBuilder {
        let mut builder = ContainerBuilder::from_spec(ContainerSpec::new(self));
        builder.uses.extend(self.guard().cloned());
        builder.with_engine(self.engine())
    }
}

impl ImageBuilder {
    /// Builds the image and starts a container of it, with a free loopback port for every port that
    /// the image exposes. The image is removed with the container, unless it has a name of its own.
    ///
    /// ```no_run
    /// use castoff::dockerfile::{Dockerfile, Stage};
    ///
    /// # async fn run() -> castoff::Result<()> {
    /// let web = Dockerfile::new()
    ///     .stage(Stage::from_image("busybox").expose(80).cmd(["httpd", "-f"]))
    ///     .builder()
    ///     .start()
    ///     .await?;
    /// println!("http://{}", web.addr(80)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`build`](Self::build) and [`ContainerBuilder::start`].
    ///
    /// # Cancel safety
    /// As for these two.
    pub async fn start(self) -> Result<Container> {
        self.start_with(|container| container).await
    }

    /// Builds and starts as [`start`](Self::start) does, with settings for the container.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As for [`start`](Self::start).
    pub async fn start_with(
        self,
        settings: impl FnOnce(ContainerBuilder) -> ContainerBuilder + Send,
    ) -> Result<Container> {
        let image = self.build().await?;
        let mut container = image.container();
        for port in image.inspect().await?.exposed_ports {
            container = container.with_port(port);
        }
        settings(container).start().await
    }
}

//! A module of one's own: its description and a typed handle. `cargo run --example custom_module`

use castoff::{Container, ContainerBuilder, Module, Result, WaitFor};

/// A web server for one page.
struct Page {
    container: ContainerBuilder,
    html: String,
}

struct PageServer(Container);

impl Module for Page {
    type Server = PageServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container
            .with_copy(self.html.as_bytes(), "/www/index.html")
            .with_command(["httpd", "-f", "-h", "/www"])
            .with_port(80)
            .with_wait(WaitFor::http("/").with_port(80)))
    }

    async fn into_server(self, container: Container) -> Result<PageServer> {
        Ok(PageServer(container))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let page = Page { container: Container::builder("busybox:1"), html: "<h1>hi</h1>".into() };
    let server = page.customize(|container| container.with_memory(64 << 20)).shared().await?;
    println!("http://{}/ runs in {}", server.0.addr(80)?, server.0.name());
    Ok(())
}

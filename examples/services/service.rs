//! What the examples of services share: where their base images come from, and a request.

use std::path::Path;

use castoff::{Container, Error, Image, ImageBuilder, Result, WaitFor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A base image: the official one, unless the environment names another.
pub(crate) fn base(variable: &str, official: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| official.to_owned())
}

/// What this machine trusts, where package indexes are behind a company's own authority. The build
/// sees it as a secret, so that it is no part of the image.
pub(crate) fn with_authorities(build: ImageBuilder) -> ImageBuilder {
    let path = "/etc/ssl/certs/ca-certificates.crt";
    if Path::new(path).exists() { build.with_secret_file("ca", path) } else { build }
}

/// Starts it and waits until it says that it is up.
pub(crate) async fn start(image: &Image) -> Result<Container> {
    let up = WaitFor::http("/health").with_port(8080);
    image.container().with_port(8080).with_wait(up).start().await
}

/// What it answers to `GET /`.
pub(crate) async fn ask(service: &Container) -> Result<String> {
    let failed = |error| Error::other("the service does not answer").with_source(error);
    let address = service.addr(8080)?;
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    let request = "GET / HTTP/1.0\r\nHost: service\r\n\r\n";
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(failed)?;
    Ok(answer.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_owned())
}

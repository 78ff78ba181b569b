//! A compiled service, built among hundreds of megabytes of compiler and shipped without any of them.
//!
//! `cargo run --features buildkit --example go_service`. The base image is `golang:1.24`; `GO_IMAGE`
//! names another.

#[path = "common/service.rs"]
mod service;

use castoff::dockerfile::{Copy, Dockerfile, Run, Stage};
use castoff::{Image, Result};

/// The first stage compiles, the second is the program and nothing else.
pub(crate) async fn build() -> Result<Image> {
    let compiler = Stage::from(service::base("GO_IMAGE", "golang:1.24"))
        .named("build")
        .workdir("/src")
        // What the dependencies follow from comes first, so that other changes leave them cached.
        .copy("go.mod", "./")
        .run("go mod download")
        .copy(".", ".")
        .env("CGO_ENABLED", "0")
        .run(
            Run::shell("go build -trimpath -ldflags '-s -w -X main.version=1.0' -o /out/service .")
                .cache("/root/.cache/go-build"),
        );
    let shipped = Stage::scratch()
        .with(Copy::new(["/out/service"], "/service").from("build"))
        .user("65532:65532")
        .expose(8080)
        .entrypoint(["/service"]);
    let file = Dockerfile::new().stage(compiler).stage(shipped);
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/services/go");
    Image::builder(context).dockerfile(file).measure_stages().build().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let image = build().await?;
    println!("{}", image.report());
    let service = service::start(&image).await?;
    println!("{}", service::ask(&service).await?);
    Ok(())
}

//! A compiled service, built among hundreds of megabytes of compiler and shipped without any of them.

use castoff::dockerfile::{CopyFiles, Dockerfile, Run, RunMount, Stage};
use castoff::{Image, Result};

use super::service;

/// The first stage compiles, the second is the program and nothing else.
pub(crate) async fn build() -> Result<Image> {
    let download = Run::shell(
        "if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi && \
         go mod download",
    )
    .mount(RunMount::secret("ca"));
    let compiler = Stage::from_image(service::base("GO_IMAGE", "golang:1.24"))
        .named("build")
        .workdir("/src")
        // What the dependencies follow from comes first, so that other changes leave them cached.
        .copy("go.mod", "./")
        .run(download)
        .copy(".", ".")
        .env("CGO_ENABLED", "0")
        .run(
            Run::shell("go build -trimpath -ldflags '-s -w -X main.version=1.0' -o /out/service .")
                .cache("/root/.cache/go-build"),
        );
    let shipped = Stage::scratch()
        .with(CopyFiles::new(["/out/service"], "/service").from_stage("build"))
        .user("65532:65532")
        .expose(8080)
        .entrypoint(["/service"]);
    let file = Dockerfile::new().stage(compiler).stage(shipped);
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/services/go");
    let build = Image::builder(context).with_dockerfile(file).with_stage_sizes();
    service::with_authorities(build).build().await
}

//! A TypeScript service: compiled with all its development dependencies, shipped with those that it
//! needs to run.

use castoff::dockerfile::{CopyFiles, Dockerfile, Run, RunMount, Stage};
use castoff::{Image, Result};

use super::service;

/// The first stage compiles and drops what only that needed, the second runs.
pub(crate) async fn build() -> Result<Image> {
    let install = Run::shell("NODE_EXTRA_CA_CERTS=/run/secrets/ca npm ci --no-audit --no-fund")
        .cache("/root/.npm")
        .mount(RunMount::secret("ca"));
    let builder = Stage::from_image(service::base("NODE_IMAGE", "node:22"))
        .named("build")
        .workdir("/app")
        .copy("package*.json", "./")
        .run(install)
        .copy(".", ".")
        .run("npm run build")
        .run("npm prune --omit=dev --no-audit --no-fund");
    let shipped = Stage::from_image(service::base("NODE_SLIM_IMAGE", "node:22-slim"))
        .env("NODE_ENV", "production")
        .workdir("/app")
        .with(CopyFiles::new(["/app/package.json"], "./").from_stage("build"))
        .with(CopyFiles::new(["/app/node_modules"], "./node_modules").from_stage("build"))
        .with(CopyFiles::new(["/app/dist"], "./dist").from_stage("build"))
        .user("1000:1000")
        .expose(8080)
        .cmd(["node", "dist/server.js"]);
    let file = Dockerfile::new().stage(builder).stage(shipped);
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/services/node");
    let build = Image::builder(context).with_dockerfile(file).with_stage_sizes();
    service::with_authorities(build).build().await
}

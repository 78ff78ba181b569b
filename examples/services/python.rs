//! A FastAPI service: its virtual environment is made where there is a compiler, and runs as a user
//! without rights where there is none.

use castoff::dockerfile::{CopyFiles, Dockerfile, Run, RunMount, Stage};
use castoff::{Image, Result};

use super::service;

/// The first stage installs, the second runs.
pub(crate) async fn build() -> Result<Image> {
    let install = Run::shell(
        "if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi && \
         /venv/bin/pip install --requirement requirements.txt",
    )
    .cache("/root/.cache/pip")
    .mount(RunMount::secret("ca"));
    let builder = Stage::from_image(service::base("PYTHON_IMAGE", "python:3.13"))
        .named("build")
        .run("python3 -m venv /venv")
        .workdir("/app")
        .copy("requirements.txt", "./")
        .run(install);
    let shipped = Stage::from_image(service::base("PYTHON_SLIM_IMAGE", "python:3.13-slim"))
        .env("PYTHONUNBUFFERED", "1")
        .workdir("/app")
        .with(CopyFiles::new(["/venv"], "/venv").from_stage("build"))
        .copy("*.py", "./")
        .user("1000:1000")
        .expose(8080)
        .cmd(["/venv/bin/uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8080"]);
    let file = Dockerfile::new().stage(builder).stage(shipped);
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/services/python");
    let build = Image::builder(context).with_dockerfile(file).with_stage_sizes();
    service::with_authorities(build).build().await
}

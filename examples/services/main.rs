//! Three services, each built among compilers and package managers and shipped without them.
//!
//! `cargo run --features buildkit --example services -- go` (or `node`, or `python`; all of them
//! without a name). The base images are the official ones; `GO_IMAGE`, `NODE_IMAGE`,
//! `NODE_SLIM_IMAGE`, `PYTHON_IMAGE` and `PYTHON_SLIM_IMAGE` name others.

pub(crate) mod go;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod service;

use castoff::{Image, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    if is_asked("go") {
        show(&go::build().await?).await?;
    }
    if is_asked("node") {
        show(&node::build().await?).await?;
    }
    if is_asked("python") {
        show(&python::build().await?).await?;
    }
    Ok(())
}

/// What the build did, and what the service answers.
async fn show(image: &Image) -> Result<()> {
    println!("{}", image.report());
    let service = service::start(image).await?;
    println!("{}\n", service::ask(&service).await?);
    Ok(())
}

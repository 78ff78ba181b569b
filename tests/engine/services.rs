//! The example services: built, shipped small, and running.

use castoff::Image;
use serde_json::Value;

use crate::differences;
use crate::support::engine;

#[expect(dead_code, reason = "its `main` is for `cargo run`")]
#[path = "../../examples/services/main.rs"]
mod example;

use example::{go, node, python, service};

/// Runs an image. Returns its response, and its size as a fraction of that of the stage that built
/// it.
async fn shipped(image: &Image) -> (Value, f64) {
    let report = image.report();
    println!("{report}");
    let builder = report.stages.iter().filter_map(|stage| stage.size).max().unwrap();
    let running = service::start(image).await.unwrap();
    let answer = service::ask(&running).await.unwrap();
    (serde_json::from_str(&answer).unwrap(), report.size as f64 / builder as f64)
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_compiled_service_is_shipped_without_its_compiler() {
    if differences::is_podman(&engine().await) {
        return;
    }
    let image = go::build().await.unwrap();
    let (answer, share) = shipped(&image).await;
    assert_eq!((&answer["service"], &answer["user"]), (&"go".into(), &65532.into()));
    assert!(share < 0.02, "{share}");
    assert_eq!(image.history().await.unwrap().iter().filter(|layer| layer.size > 0).count(), 1);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_node_service_is_shipped_with_production_dependencies_only() {
    if differences::is_podman(&engine().await) {
        return;
    }
    let image = node::build().await.unwrap();
    let (answer, share) = shipped(&image).await;
    assert_eq!((&answer["service"], &answer["user"]), (&"node".into(), &1000.into()));
    assert!(share < 0.7, "{share}");
    let modules = image.container().with_command(["ls", "node_modules"]).run().await.unwrap();
    let modules = modules.stdout_text().into_owned();
    assert!(modules.contains("express") && !modules.contains("typescript"), "{modules}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_python_service_is_shipped_without_rights_and_compilers() {
    if differences::is_podman(&engine().await) {
        return;
    }
    let image = python::build().await.unwrap();
    let (answer, share) = shipped(&image).await;
    assert_eq!((&answer["service"], &answer["user"]), (&"python".into(), &1000.into()));
    assert!(share < 0.6, "{share}");
    let gcc = image.container().with_command(["which", "gcc", "pip"]).run().await.unwrap();
    assert!(!gcc.success(), "{}", gcc.stdout_text());
    // The secrets of the build are not part of it.
    let secrets = image.container().with_command(["ls", "-A", "/run"]).run().await.unwrap();
    assert!(!secrets.stdout_text().contains("secrets"), "{}", secrets.stdout_text());
}

//! Cargo commands against an engine, and `cargo xtask bench`.

use std::process::Command;

use crate::command::{command, run};
use crate::endpoint::Endpoint;
use crate::recipe::PREFIX;
use crate::{Outcome, engine, images, leftovers, paths};

/// The test images that replace the modules' default images.
const SUBSTITUTES: [(&str, &str); 18] = [
    ("postgres:17", "postgres"),
    ("mariadb:11", "mariadb"),
    ("mysql:8.4", "mysql"),
    ("redis:7", "redis"),
    ("valkey/valkey:8", "valkey"),
    ("memcached:1.6", "memcached"),
    ("rabbitmq:4", "rabbitmq"),
    ("nats:2", "nats"),
    ("eclipse-mosquitto:2", "mosquitto"),
    ("quay.io/coreos/etcd:v3.5.21", "etcd"),
    ("zookeeper:3.9", "zookeeper"),
    ("nginx:1", "nginx"),
    ("registry:2", "registry"),
    ("osixia/openldap:1.5.0", "openldap"),
    ("lscr.io/linuxserver/openssh-server:latest", "openssh"),
    ("selenium/standalone-chromium:latest", "webdriver"),
    ("clickhouse/clickhouse-server:24.8", "clickhouse"),
    ("busybox:1", "busybox"),
];

/// The base images of the example services.
const BASES: [(&str, &str); 5] = [
    ("GO_IMAGE", "golang"),
    ("NODE_IMAGE", "node"),
    ("NODE_SLIM_IMAGE", "node-slim"),
    ("PYTHON_IMAGE", "python"),
    ("PYTHON_SLIM_IMAGE", "python-slim"),
];

/// Returns the substitutes in castoff's format.
pub(crate) fn substitutes() -> String {
    let pairs = SUBSTITUTES.map(|(default, image)| format!("{default}={PREFIX}{image}"));
    pairs.join(",")
}

/// Returns a cargo command in the workspace, against the engine.
pub(crate) fn cargo(engine: &Endpoint, args: &[&str]) -> Command {
    let mut cargo = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args(args).current_dir(paths::root());
    cargo.env("CASTOFF_ENGINE", engine.address());
    cargo.env("CASTOFF_IMAGE_SUBSTITUTES", substitutes());
    cargo.envs(BASES.map(|(variable, image)| (variable, format!("{PREFIX}{image}"))));
    cargo
}

/// Measures castoff against the raw Engine API.
pub(crate) fn bench(args: &[&str]) -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    let mut bench = cargo(&engine, &["bench", "--bench", "engine", "--features", "full", "--"]);
    bench.args(args);
    run(bench)?;
    leftovers::check(&engine)
}

//! `cargo xtask demo` and `bench`: set up, run, and check that nothing stays.

use std::process::Command;

use crate::command::{command, run};
use crate::endpoint::Endpoint;
use crate::{Outcome, engine, images, leftovers, paths};

/// Points the modules' default images at the test images.
pub(crate) const SUBSTITUTES: &str =
    "postgres:17=castoff.test/postgres,redis:7=castoff.test/redis,busybox:1=castoff.test/busybox";

/// A cargo command in the workspace, against the engine.
pub(crate) fn cargo(engine: &Endpoint, args: &[&str]) -> Command {
    let mut cargo = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args(args).current_dir(paths::root());
    cargo.env("CASTOFF_ENGINE", engine.address());
    cargo.env("CASTOFF_IMAGE_SUBSTITUTES", SUBSTITUTES);
    cargo
}

/// Runs the quickstart example on a real engine.
pub(crate) fn demo() -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    run(cargo(&engine, &["run", "--example", "quickstart"]))?;
    leftovers::check(&engine)
}

/// Measures castoff against the raw Engine API.
pub(crate) fn bench(args: &[&str]) -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    let mut bench = cargo(&engine, &["bench", "--bench", "engine", "--"]);
    bench.args(args);
    run(bench)?;
    leftovers::check(&engine)
}

//! Sharing a container: what it costs to join, and what it saves.

use std::time::Instant;

use castoff::{Container, ContainerBuilder};
use serde_json::json;

use crate::raw::Raw;
use crate::stats::{Judged, Row, millis};
use crate::{BUSYBOX, Bench, Outcome, Side, child};

fn builder() -> ContainerBuilder {
    let builder = Container::builder(BUSYBOX).with_label("castoff-bench", "shared").with_port(80);
    builder.with_command(["httpd", "-f", "-p", "80", "-h", "/"])
}

/// Each time a new process, as under nextest: with its first look at what dead sessions left, its
/// lock and its guardian.
pub(crate) async fn joins(bench: &Bench) -> Outcome<Vec<Row>> {
    let held = builder().shared().await?;
    let mut row = Row::new("join from another process", "ms", Judged::Excess(25.0));
    for _ in 0..bench.runs(20) {
        let report = child::run(bench, Side::Castoff, json!({ "case": "join" }))?;
        if report["id"] != held.id() {
            return Err("another process got another container".into());
        }
        row.add(report["inspect"].as_f64(), report["join"].as_f64());
    }
    held.remove().await?;
    Ok(vec![row])
}

pub(crate) async fn child(raw: &Raw) -> Outcome<()> {
    castoff::Engine::connect().await?;
    let began = Instant::now();
    let container = builder().shared().await?;
    let join = millis(began.elapsed());
    let path = format!("/containers/{}/json", container.id());
    let began = Instant::now();
    raw.json("GET", &path, "").await?;
    let inspect = millis(began.elapsed());
    println!("{}", json!({ "id": container.id(), "join": join, "inspect": inspect }));
    Ok(())
}

/// Seconds that forty tests take under nextest, with a container each and with one for all.
pub(crate) fn suites(bench: &Bench) -> Outcome<Vec<Row>> {
    let nextest = |more: &[&str]| -> Outcome<std::process::Command> {
        let mut tests = std::process::Command::new("cargo");
        tests.args(["nextest", "run", "-p", "castoff-suite", "--run-ignored", "ignored-only"]);
        tests.args(more).env("CASTOFF_ENGINE", bench.engine.endpoint().to_string());
        tests.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Ok(tests)
    };
    let good = |mut tests: std::process::Command| -> Outcome<f64> {
        let began = Instant::now();
        if !tests.status()?.success() {
            return Err("the suite failed: `cargo xtask suite` says how".into());
        }
        Ok(began.elapsed().as_secs_f64())
    };
    good(nextest(&["--no-run"])?)?;
    let mut row = Row::new("40 tests: a container each | one for all", "s", Judged::No);
    for number in 0..bench.runs(3) {
        for side in Side::turn(number) {
            let mut tests = nextest(&[])?;
            if side == Side::Raw {
                tests.env("CASTOFF_SUITE_OWN", "1");
            }
            let (own, shared) = side.of(good(tests)?);
            row.add(own, shared);
        }
    }
    Ok(vec![row])
}

//! Sharing a container: what it costs to join, and what it saves.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use castoff::{Container, ContainerBuilder};
use serde_json::json;

use crate::raw::Raw;
use crate::stats::{Judged, Row, millis};
use crate::{BUSYBOX, Bench, Outcome, Side, child};

/// Label of what the two hundred create, encoded for a query.
const DATABASES: &str = "castoff-suite%3Ddatabases";

fn builder() -> ContainerBuilder {
    let builder = Container::builder(BUSYBOX).with_label("castoff-bench", "shared").with_port(80);
    builder.with_command(["httpd", "-f", "-p", "80", "-h", "/"])
}

/// Each time a new process, as under nextest: with its first look at what dead sessions left, its
/// lock and its guardian.
pub(crate) async fn joins(bench: &Bench) -> Outcome<()> {
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
    bench.done(&row)
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
pub(crate) fn suites(bench: &Bench) -> Outcome<()> {
    good(nextest(bench, "forty", &["--no-run"]))?;
    let mut row = Row::new("40 tests: a container each | one for all", "s", Judged::No);
    for number in 0..bench.runs(3) {
        for side in Side::turn(number) {
            let mut tests = nextest(bench, "forty", &[]);
            if side == Side::Raw {
                tests.env("CASTOFF_SUITE_OWN", "1");
            }
            let (own, shared) = side.of(good(tests)?);
            row.add(own, shared);
        }
    }
    bench.done(&row)
}

/// Seconds that two hundred tests with a database each take under nextest, and how many containers
/// are created for them.
pub(crate) async fn databases(bench: &Bench) -> Outcome<()> {
    good(nextest(bench, "two_hundred", &["--no-run"]))?;
    let mut took = Row::new("200 tests with a database each", "s", Judged::No);
    let mut containers = Row::new("containers for them", "", Judged::Most(1.0));
    for _ in 0..bench.runs(3) {
        gone(bench, DATABASES).await?;
        let since = now()?;
        took.add(None, Some(good(nextest(bench, "two_hundred", &[]))?));
        containers.add(None, Some(created(bench, DATABASES, since, now()?).await?));
    }
    bench.done(&took)?;
    bench.done(&containers)
}

/// The suite of this name, by a process for each test.
fn nextest(bench: &Bench, suite: &str, more: &[&str]) -> Command {
    let mut tests = Command::new("cargo");
    tests.args(["nextest", "run", "-p", "castoff-suite", "--test", suite]);
    tests.args(["--run-ignored", "ignored-only"]);
    tests.args(more).env("CASTOFF_ENGINE", bench.engine.endpoint().to_string());
    tests.stdout(Stdio::null()).stderr(Stdio::null());
    tests
}

/// How long it takes, in seconds.
fn good(mut tests: Command) -> Outcome<f64> {
    let began = Instant::now();
    if !tests.status()?.success() {
        return Err("the suite failed: `cargo xtask suite` says how".into());
    }
    Ok(began.elapsed().as_secs_f64())
}

fn now() -> Outcome<f64> {
    Ok(SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64())
}

/// One that lingers would be joined.
async fn gone(bench: &Bench, label: &str) -> Outcome<()> {
    let path = format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{label}%22%5D%7D");
    while bench.raw.json("GET", &path, "").await?.as_array().is_some_and(|left| !left.is_empty()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// How many containers with this label were created in that time.
async fn created(bench: &Bench, label: &str, since: f64, until: f64) -> Outcome<f64> {
    let filters = format!(
        "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%5D%2C\
         %22label%22%3A%5B%22{label}%22%5D%7D"
    );
    let path = format!("/events?since={since:.9}&until={until:.9}&filters={filters}");
    let events = bench.raw.call("GET", &path, "").await?;
    Ok(events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as f64)
}

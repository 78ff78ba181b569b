//! Waiting for a line behind a lot of output.

use std::time::Duration;

use castoff::{Container, Engine, WaitFor};
use serde_json::{Value, json};

use crate::child::{self, Gauge};
use crate::raw::Raw;
use crate::{BUSYBOX, Bench, LABEL, Outcome, Side};

const MARKER: &str = "and that was all";

fn script(mb: u64) -> String {
    let line = "0123456789".repeat(10);
    format!("yes {} | head -c {}; echo {MARKER}; sleep 1000", &line[1..], mb * 1_000_000)
}

/// From the start until the line is seen. The engine writes and reads the log meanwhile, and is
/// what takes the time: the processor's time is castoff's part.
pub(crate) fn waits(bench: &Bench) -> Outcome<()> {
    let mb = bench.options.log_mb.unwrap_or(500);
    let role = json!({ "case": "log", "mb": mb });
    let name = format!("log wait behind {mb} MB");
    child::compare(bench, &name, bench.runs(1).min(3), 8.0, &role)
}

pub(crate) async fn child(side: Side, raw: &Raw, role: &Value) -> Outcome<()> {
    let script = script(role["mb"].as_u64().ok_or("no size")?);
    match side {
        Side::Raw => {
            let body = json!({
                "Image": BUSYBOX, "Cmd": ["sh", "-c", script], "Labels": { (LABEL): "1" },
            });
            let gauge = Gauge::start()?;
            let id = raw.create(&body.to_string()).await?;
            raw.start(&id).await?;
            let seen = raw.follow_until(&id, MARKER).await;
            let reported = gauge.report();
            raw.remove(&id).await?;
            seen.and(reported)
        }
        Side::Castoff => {
            let engine = Engine::connect().await?;
            let container = Container::builder(BUSYBOX).with_engine(&engine);
            let container = container
                .with_command(["sh", "-c", &script])
                .with_startup_timeout(Duration::from_secs(600))
                .with_wait(WaitFor::log(MARKER));
            let gauge = Gauge::start()?;
            let container = container.start().await?;
            gauge.report()?;
            Ok(container.remove().await?)
        }
    }
}

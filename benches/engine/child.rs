//! Measures in processes of their own: this program once more, told by a variable what to be.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::stats::{Judged, Row};
use crate::{Bench, Outcome, Side, build, copy, ends, guardian, logs, sharing};

/// What a child is to do, as JSON.
const ROLE: &str = "CASTOFF_BENCH_ROLE";

pub(crate) fn role() -> Option<Value> {
    serde_json::from_str(&std::env::var(ROLE).ok()?).ok()
}

/// The child's side: does what it is told and prints what it measured.
pub(crate) async fn act(role: &Value) -> Outcome<()> {
    let side = if role["side"] == "raw" { Side::Raw } else { Side::Castoff };
    let raw = Raw::new(&PathBuf::from(role["socket"].as_str().ok_or("no socket")?));
    match role["case"].as_str() {
        Some("copy") => copy::child(side, &raw, role).await,
        Some("build") => build::child(role).await,
        Some("log") => logs::child(side, &raw, role).await,
        Some("end") => ends::child(role).await,
        Some("guardian") => guardian::child(role).await,
        Some("join") => sharing::child(&raw).await,
        case => Err(format!("no case {case:?}").into()),
    }
}

/// The command that runs this program as a child.
pub(crate) fn command(bench: &Bench, mut role: Value) -> Outcome<Command> {
    role["socket"] = json!(bench.engine.endpoint().socket());
    let mut command = Command::new(std::env::current_exe()?);
    command.env(ROLE, role.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Runs a child that [`report`]s.
pub(crate) fn run(bench: &Bench, side: Side, mut role: Value) -> Outcome<Value> {
    role["side"] = json!(if side == Side::Raw { "raw" } else { "castoff" });
    let output = command(bench, role)?.spawn()?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("a child failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Time, growth and processor time of both sides, each turn in new processes.
pub(crate) fn compare(
    bench: &Bench,
    name: &str,
    runs: usize,
    most_mib: f64,
    role: &Value,
) -> Outcome<()> {
    let mut time = Row::new(name, "s", Judged::No);
    let mut growth = Row::new(format!("{name}: memory"), "MiB", Judged::Most(most_mib));
    let mut cpu = Row::new(format!("{name}: processor"), "s", Judged::No);
    for number in 0..runs {
        for side in Side::turn(number) {
            let report = run(bench, side, role.clone())?;
            for (row, key) in
                [(&mut time, "seconds"), (&mut growth, "growth"), (&mut cpu, "processor")]
            {
                let (raw, castoff) = side.of(report[key].as_f64().ok_or("no figure")?);
                row.add(raw, castoff);
            }
        }
    }
    bench.done(&time)?;
    bench.done(&growth)?;
    bench.done(&cpu)
}

/// Where a measure in a child begins.
#[derive(Debug)]
pub(crate) struct Gauge {
    began: Instant,
    rss: f64,
    processor: f64,
}

impl Gauge {
    /// Sets the peak of memory back to what is used now.
    pub(crate) fn start() -> Outcome<Gauge> {
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Gauge { began: Instant::now(), rss: status("VmRSS:")?, processor: processor()? })
    }

    /// Prints what `run` reads.
    pub(crate) fn report(self) -> Outcome<()> {
        let seconds = self.began.elapsed().as_secs_f64();
        let growth = (status("VmHWM:")? - self.rss) / 1024.0;
        let processor = processor()? - self.processor;
        println!("{}", json!({ "seconds": seconds, "growth": growth, "processor": processor }));
        Ok(())
    }
}

/// A figure of this process's status, in KiB.
fn status(key: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time of this process so far, in seconds, from its ticks: proc(5).
fn processor() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").ok_or("no fields")?;
    let mut ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let (user, system) = (ticks.next().ok_or("no user")??, ticks.next().ok_or("no system")??);
    Ok((user + system) / 100.0)
}

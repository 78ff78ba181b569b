//! What it costs to be guarded: the time until the guardian stands, and its memory.

use std::time::Instant;

use castoff::Volume;
use serde_json::{Value, json};

use crate::stats::{Judged, Row, millis};
use crate::{Bench, Outcome, Side, child};

/// Heap in MiB and busy threads of the program that is guarded.
const PROGRAMS: [(&str, u64, u64); 3] =
    [("small", 0, 0), ("2 GiB heap", 2048, 0), ("2 GiB heap, 64 busy threads", 2048, 64)];

pub(crate) fn guardians(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, heap, threads) in PROGRAMS {
        // With more threads than processors, everything waits its turn.
        let judged = if threads == 0 { Judged::Median(2.0) } else { Judged::No };
        let mut time = Row::new(format!("guardian armed: {name}"), "ms", judged);
        let mut memory = Row::new("guardian's own memory", "MiB", Judged::Most(2.0));
        let runs = if heap == 0 { 15 } else { 5 };
        for _ in 0..bench.runs(runs) {
            let role = json!({ "case": "guardian", "heap": heap, "threads": threads });
            let report = child::run(bench, Side::Castoff, role)?;
            time.add(
                None,
                report["first"].as_f64().zip(report["next"].as_f64()).map(|(a, b)| a - b),
            );
            memory.add(None, report["memory"].as_f64());
        }
        rows.extend([time, memory]);
    }
    Ok(rows)
}

/// The first volume takes as long as the next ones and the arming of all that stands behind it:
/// the teardown thread, the look for what dead sessions left, the session's lock, the guardian.
pub(crate) async fn child(role: &Value) -> Outcome<()> {
    let mib = usize::try_from(role["heap"].as_u64().ok_or("no heap")?)?;
    let heap = std::hint::black_box(vec![1_u8; mib << 20]);
    for _ in 0..role["threads"].as_u64().ok_or("no threads")? {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    castoff::Engine::connect().await?;
    let began = Instant::now();
    let volume = Volume::create().await?;
    let first = millis(began.elapsed());
    let mut next = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let volume = Volume::create().await?;
        next.push(millis(began.elapsed()));
        volume.remove().await?;
    }
    next.sort_by(f64::total_cmp);
    let token = volume.name().rsplit('-').nth(1).ok_or("no session in a name")?;
    let memory = memory_of_guardian(token)?;
    println!("{}", json!({ "first": first, "next": next[2], "memory": memory }));
    volume.remove().await?;
    drop(heap);
    Ok(())
}

/// Private memory in MiB (proc(5), `smaps_rollup`) of the guardian that holds the session's lock.
fn memory_of_guardian(token: &str) -> Outcome<f64> {
    let wanted = format!("-{token}.lock");
    for process in std::fs::read_dir("/proc")?.flatten() {
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let lock = std::fs::read_link(process.path().join("fd/4")).unwrap_or_default();
        if name.trim() != "castoff-guard" || !lock.to_string_lossy().ends_with(&wanted) {
            continue;
        }
        let rollup = std::fs::read_to_string(process.path().join("smaps_rollup"))?;
        let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
        let sizes = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        return Ok(sizes.sum::<f64>() / 1024.0);
    }
    Err("no guardian".into())
}

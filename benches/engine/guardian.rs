//! What it costs to be guarded: the time until the guardian stands, and its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use castoff::Volume;
use serde_json::{Value, json};

use crate::stats::{Judged, Row, millis};
use crate::{Bench, Outcome, Side, child};

/// Heap in MiB and busy threads of the program that is guarded.
const PROGRAMS: [(&str, u64, u64); 3] =
    [("small", 0, 0), ("2 GiB heap", 2048, 0), ("2 GiB heap, 64 busy threads", 2048, 64)];

pub(crate) fn guardians(bench: &Bench) -> Outcome<()> {
    for (name, heap, threads) in PROGRAMS {
        // With more threads than processors, everything waits its turn.
        let judged = if threads == 0 { Judged::Median(2.0) } else { Judged::No };
        let mut time = Row::new(format!("guardian armed: {name}"), "ms", judged);
        let mut first = Row::new("first volume, more than the next ones", "ms", Judged::No);
        let mut memory = Row::new("guardian's own memory", "MiB", Judged::Most(2.0));
        let runs = if heap == 0 { 15 } else { 5 };
        for _ in 0..bench.runs(runs) {
            let role = json!({ "case": "guardian", "heap": heap, "threads": threads });
            let report = child::run(bench, Side::Castoff, role)?;
            time.add(None, report["armed"].as_f64());
            let (begin, next) = (report["first"].as_f64(), report["next"].as_f64());
            first.add(None, begin.zip(next).map(|(begin, next)| begin - next));
            memory.add(None, report["memory"].as_f64());
        }
        bench.done(&time)?;
        bench.done(&first)?;
        bench.done(&memory)?;
    }
    Ok(())
}

/// Listens for what castoff says of the guardian in its log.
struct Listener(Arc<AtomicU64>);

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("castoff::reaper")
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Micros(&self.0));
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

struct Micros<'a>(&'a AtomicU64);

impl tracing::field::Visit for Micros<'_> {
    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        if field.name() == "micros" {
            self.0.store(value, Ordering::SeqCst);
        }
    }

    fn record_debug(&mut self, _field: &tracing::field::Field, _value: &dyn std::fmt::Debug) {}
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
    let armed = Arc::new(AtomicU64::new(0));
    tracing::subscriber::set_global_default(Listener(armed.clone()))?;
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
    let armed = armed.load(Ordering::SeqCst) as f64 / 1e3;
    println!("{}", json!({ "armed": armed, "first": first, "next": next[2], "memory": memory }));
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

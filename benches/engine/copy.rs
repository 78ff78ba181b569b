//! Copying a big file into a container.

use std::io::Write;
use std::path::PathBuf;

use castoff::{Container, Engine};
use serde_json::{Value, json};

use crate::child::{self, Gauge};
use crate::raw::Raw;
use crate::{BUSYBOX, Bench, LABEL, Outcome, Side};

const MIB: usize = 1024 * 1024;

/// One MiB that no file system can make small, from a generator that is as simple as they come.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(MIB);
    while bytes.len() < MIB {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_ne_bytes());
    }
    bytes
}

pub(crate) fn copies(bench: &Bench) -> Outcome<()> {
    let mib = bench.options.copy_mb.unwrap_or(1024);
    let mut file = tempfile::NamedTempFile::new()?;
    for number in 0..mib {
        file.write_all(&noise(number))?;
    }
    file.flush()?;
    let role = json!({ "case": "copy", "path": file.path() });
    let name = format!("copy {mib} MiB in");
    child::compare(bench, &name, bench.runs(3), 16.0, &role)
}

pub(crate) async fn child(side: Side, raw: &Raw, role: &Value) -> Outcome<()> {
    let path = PathBuf::from(role["path"].as_str().ok_or("no path")?);
    match side {
        Side::Raw => {
            let body = json!({ "Image": BUSYBOX, "Labels": { (LABEL): "1" } });
            let id = raw.create(&body.to_string()).await?;
            let gauge = Gauge::start()?;
            let file = tokio::fs::File::open(&path).await?;
            let size = file.metadata().await?.len();
            let copied = raw.upload(&id, "big", file, size).await;
            let reported = gauge.report();
            raw.remove(&id).await?;
            copied.and(reported)
        }
        Side::Castoff => {
            let engine = Engine::connect().await?;
            let container = Container::builder(BUSYBOX).with_engine(&engine).create().await?;
            let gauge = Gauge::start()?;
            container.copy_to(path, "/big").await?;
            gauge.report()?;
            Ok(container.remove().await?)
        }
    }
}

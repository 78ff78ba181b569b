//! Letting go of eight containers.

use std::time::Instant;

use castoff::Container;
use futures_util::future::{try_join, try_join_all};
use serde_json::json;

use crate::raw::Answer;
use crate::stats::{Judged, Row, millis};
use crate::{BUSYBOX, Bench, LABEL, Outcome, Side};

const COUNT: usize = 8;

/// Waits that the engine answers when the containers are gone, all of them open by now.
async fn watch(bench: &Bench, ids: &[String]) -> Outcome<Vec<Answer>> {
    try_join_all(ids.iter().map(|id| bench.raw.removal(id))).await
}

async fn gone(watches: Vec<Answer>) -> Outcome<()> {
    try_join_all(watches.into_iter().map(Answer::all)).await.map(drop)
}

async fn raw_deletes(bench: &Bench) -> Outcome<f64> {
    let body = json!({
        "Image": BUSYBOX, "Cmd": ["sleep", "1000"], "Labels": { (LABEL): "1" },
        "HostConfig": { "PortBindings": {} },
    });
    let body = body.to_string();
    let started = (0..COUNT).map(async |_| {
        let id = bench.raw.create(&body).await?;
        bench.raw.start(&id).await?;
        Outcome::Ok(id)
    });
    let ids = try_join_all(started).await?;
    let watches = watch(bench, &ids).await?;
    let began = Instant::now();
    let deletes = try_join_all(ids.iter().map(|id| bench.raw.remove(id)));
    try_join(deletes, gone(watches)).await?;
    Ok(millis(began.elapsed()))
}

/// The time until all are gone, and that of each drop.
async fn castoff_drops(bench: &Bench) -> Outcome<(f64, Vec<f64>)> {
    let started = (0..COUNT).map(|_| {
        let sleeper = Container::builder(BUSYBOX).with_engine(&bench.engine);
        sleeper.with_command(["sleep", "1000"]).without_wait().start()
    });
    let containers = try_join_all(started).await?;
    let ids: Vec<_> = containers.iter().map(|container| container.id().to_owned()).collect();
    let watches = watch(bench, &ids).await?;
    let began = Instant::now();
    let mut drops = Vec::new();
    for container in containers {
        let before = Instant::now();
        drop(container);
        drops.push(millis(before.elapsed()));
    }
    gone(watches).await?;
    Ok((millis(began.elapsed()), drops))
}

pub(crate) async fn drops(bench: &Bench) -> Outcome<()> {
    let mut each = Row::new("drop of one of 8 handles", "ms", Judged::P99(1.0));
    let mut all = Row::new("8 dropped: all gone", "ms", Judged::Ratio(1.1));
    // The engine's and the worker's first removal are no one's measure.
    raw_deletes(bench).await?;
    castoff_drops(bench).await?;
    for number in 0..bench.runs(20) {
        for side in Side::turn(number) {
            match side {
                Side::Raw => all.add(Some(raw_deletes(bench).await?), None),
                Side::Castoff => {
                    let (total, drops) = castoff_drops(bench).await?;
                    all.add(None, Some(total));
                    drops.into_iter().for_each(|drop| each.add(None, Some(drop)));
                }
            }
        }
    }
    bench.done(&each)?;
    bench.done(&all)
}

//! Starting: one redis, and several at once.

use std::time::Instant;

use castoff::{Container, WaitFor};
use futures_util::future::try_join_all;
use serde_json::json;

use crate::stats::{Judged, Row, millis};
use crate::{Bench, LABEL, Outcome, READY, REDIS, Side};

/// The body that castoff sends for [`castoff_start`], with other keys for the labels.
fn body() -> String {
    let body = json!({
        "Image": REDIS,
        "ExposedPorts": { "6379/tcp": {} },
        "Labels": {
            (LABEL): "1",
            "castoff.bench.session": "0123456789",
            "castoff.bench.owner": "0123456789ab.12345.12345678.0123456789",
            "castoff.bench.resource": "castoff-0123456789-1",
            "castoff.bench.created": "1700000000",
        },
        "HostConfig": {
            "PortBindings": { "6379/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] },
        },
    });
    body.to_string()
}

async fn raw_start(bench: &Bench, body: &str) -> Outcome<String> {
    let id = bench.raw.create(body).await?;
    bench.raw.start(&id).await?;
    let details = bench.raw.json("GET", &format!("/containers/{id}/json"), "").await?;
    if details["NetworkSettings"]["Ports"]["6379/tcp"][0]["HostPort"].as_str().is_none() {
        return Err("no port".into());
    }
    bench.raw.follow_until(&id, READY).await?;
    Ok(id)
}

async fn castoff_start(bench: &Bench) -> castoff::Result<Container> {
    let redis = Container::builder(REDIS).with_engine(&bench.engine).with_port(6379);
    redis.with_wait(WaitFor::log(READY)).start().await
}

/// The time that so many starts at once take, in milliseconds.
async fn once(bench: &Bench, side: Side, count: usize) -> Outcome<f64> {
    match side {
        Side::Raw => {
            let body = body();
            let began = Instant::now();
            let ids = try_join_all((0..count).map(|_| raw_start(bench, &body))).await?;
            let took = millis(began.elapsed());
            try_join_all(ids.iter().map(|id| bench.raw.remove(id))).await?;
            Ok(took)
        }
        Side::Castoff => {
            let began = Instant::now();
            let started = try_join_all((0..count).map(|_| castoff_start(bench))).await?;
            let took = millis(began.elapsed());
            try_join_all(started.into_iter().map(Container::remove)).await?;
            Ok(took)
        }
    }
}

async fn starts(bench: &Bench, name: &str, runs: usize, count: usize, most: f64) -> Outcome<Row> {
    let mut row = Row::new(name, "ms", Judged::Ratio(most));
    for side in Side::turn(0) {
        once(bench, side, 1).await?;
    }
    for number in 0..runs {
        for side in Side::turn(number) {
            let (raw, castoff) = side.of(once(bench, side, count).await?);
            row.add(raw, castoff);
        }
    }
    Ok(row)
}

pub(crate) async fn single(bench: &Bench) -> Outcome<()> {
    bench.done(&starts(bench, "single redis start", bench.runs(60), 1, 1.03).await?)
}

pub(crate) async fn parallel(bench: &Bench) -> Outcome<()> {
    bench.done(&starts(bench, "8 parallel redis starts", bench.runs(20), 8, 1.05).await?)
}

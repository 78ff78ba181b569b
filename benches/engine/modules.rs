//! Modules: a Postgres server until its first answer, and a database of one's own in it.

use std::time::{Duration, Instant};

use castoff_modules::postgres::{PgDatabase, prune_prepared};
use castoff_modules::{Postgres, PostgresServer};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio_postgres::{Client, NoTls};

use crate::stats::{Judged, Row, millis};
use crate::{Bench, LABEL, Outcome, POSTGRES, Side};

/// What the module's container is, said by hand.
fn body() -> String {
    let settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
    let mut command = vec!["postgres"];
    command.extend(settings.iter().flat_map(|setting| ["-c", setting]));
    let data = "/var/lib/postgresql/data";
    let body = json!({
        "Image": POSTGRES,
        "Cmd": command,
        "Env": [
            "POSTGRES_USER=postgres", "POSTGRES_PASSWORD=postgres", "POSTGRES_DB=postgres",
            format!("PGDATA={data}"),
        ],
        "ExposedPorts": { "5432/tcp": {} },
        "Labels": { (LABEL): "1" },
        "HostConfig": {
            "Mounts": [{ "Type": "tmpfs", "Target": data }],
            "PortBindings": { "5432/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] },
        },
    });
    body.to_string()
}

async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn first_query(url: &str) -> Outcome<()> {
    let one: i32 = connect(url).await?.query_one("SELECT 1", &[]).await?.try_get(0)?;
    if one == 1 { Ok(()) } else { Err("one is not one".into()) }
}

/// The same image and settings by raw calls, asked until it answers.
async fn raw_server(bench: &Bench) -> Outcome<f64> {
    let began = Instant::now();
    let id = bench.raw.create(&body()).await?;
    bench.raw.start(&id).await?;
    let details = bench.raw.json("GET", &format!("/containers/{id}/json"), "").await?;
    let port = &details["NetworkSettings"]["Ports"]["5432/tcp"][0]["HostPort"];
    let port = port.as_str().ok_or("no port")?;
    let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/postgres");
    while first_query(&url).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = millis(began.elapsed());
    bench.raw.remove(&id).await?;
    Ok(took)
}

/// A start by the module until the first answer, and the removal after it, unmeasured.
async fn server(bench: &Bench, module: Postgres) -> Outcome<f64> {
    let began = Instant::now();
    let pg = module.with_engine(&bench.engine).start().await?;
    first_query(&pg.url()).await?;
    let took = millis(began.elapsed());
    pg.into_container().remove().await?;
    Ok(took)
}

pub(crate) async fn servers(bench: &Bench) -> Outcome<()> {
    let mut fresh = Row::new("Postgres to its first query", "ms", Judged::Ratio(1.05));
    let mut prepared = Row::new("the same: fresh | prepared", "ms", Judged::Ratio(0.5));
    raw_server(bench).await?;
    server(bench, Postgres::new().with_prepared_image()).await?;
    for number in 0..bench.runs(15) {
        for side in Side::turn(number) {
            let took = match side {
                Side::Raw => raw_server(bench).await?,
                Side::Castoff => server(bench, Postgres::new()).await?,
            };
            let (raw, castoff) = side.of(took);
            fresh.add(raw, castoff);
            prepared.add(castoff, None);
        }
        prepared.add(None, Some(server(bench, Postgres::new().with_prepared_image()).await?));
    }
    prune_prepared(&bench.engine).await?;
    bench.done(&fresh)?;
    bench.done(&prepared)
}

/// A bare clone of a template, on a connection that is open already.
async fn bare(client: &Client, number: usize) -> Outcome<f64> {
    let began = Instant::now();
    client.batch_execute(&format!("CREATE DATABASE bare_{number} TEMPLATE bare")).await?;
    Ok(millis(began.elapsed()))
}

/// A clone by `database()`; the handle goes after the run, as a drop takes the server's time, too.
async fn clone(pg: &PostgresServer, pause: Duration) -> Outcome<(f64, PgDatabase)> {
    // What a test does with the database before this one.
    tokio::time::sleep(pause).await;
    let began = Instant::now();
    let database = pg.database().await?;
    Ok((millis(began.elapsed()), database))
}

/// A database for a test: one after the other, with a test's work in between, and many at once.
pub(crate) async fn databases(bench: &Bench) -> Outcome<()> {
    let pg = Postgres::new().with_engine(&bench.engine).start().await?;
    let client = connect(&pg.url()).await?;
    client.batch_execute("CREATE DATABASE bare").await?;
    drop(clone(&pg, Duration::ZERO).await?);
    let runs = bench.runs(40);
    let mut raw = Vec::new();
    for number in 0..runs {
        raw.push(bare(&client, number).await?);
    }
    let cases = [
        ("database() | CREATE DATABASE .. TEMPLATE", Duration::ZERO),
        ("the same, 20 ms after the last one", Duration::from_millis(20)),
    ];
    for (name, pause) in cases {
        let mut row = Row::new(name, "ms", Judged::Ratio(2.0));
        raw.iter().for_each(|&took| row.add(Some(took), None));
        let mut held = Vec::new();
        for _ in 0..runs {
            let (took, database) = clone(&pg, pause).await?;
            row.add(None, Some(took));
            held.push(database);
        }
        bench.done(&row)?;
    }
    bench.done(&at_once(bench, &pg).await?)?;
    bench.done(&against_a_server(bench, &pg).await?)?;
    Ok(())
}

/// Eight at a time, each bare one on a connection of its own.
async fn at_once(bench: &Bench, pg: &PostgresServer) -> Outcome<Row> {
    let mut row = Row::new("8 at once: database() | CREATE DATABASE", "ms", Judged::Ratio(2.0));
    let url = pg.url();
    let clients = try_join_all((0..8).map(|_| connect(&url))).await?;
    let mut number = 10_000;
    for _ in 0..bench.runs(10) {
        let began = Instant::now();
        let (first, all) = (number, clients.iter().enumerate());
        try_join_all(all.map(|(at, client)| bare(client, first + at))).await?;
        row.add(Some(millis(began.elapsed())), None);
        number += 8;
    }
    for _ in 0..bench.runs(10) {
        let began = Instant::now();
        let held = try_join_all((0..8).map(|_| clone(pg, Duration::ZERO))).await?;
        row.add(None, Some(millis(began.elapsed())));
        drop(held);
    }
    Ok(row)
}

/// A server of one's own against a database of one's own: to be at least 50 times as fast.
async fn against_a_server(bench: &Bench, pg: &PostgresServer) -> Outcome<Row> {
    let mut row = Row::new("a server | database()", "ms", Judged::Ratio(1.0 / 50.0));
    let mut held = Vec::new();
    for _ in 0..bench.runs(10) {
        let (took, database) = clone(pg, Duration::from_millis(20)).await?;
        held.push(database);
        row.add(Some(server(bench, Postgres::new()).await?), Some(took));
    }
    Ok(row)
}

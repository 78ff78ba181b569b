//! Postgres and Redis on a network of their own, used from here and from a sibling, then gone.
//!
//! `cargo xtask demo` finds or sets up an engine and runs this on it. With an engine that runs
//! and a registry that answers, `cargo run --example quickstart` does, too.

use std::error::Error;
use std::time::{Duration, Instant};

use castoff::{Container, Engine, Network};
use castoff_modules::{Postgres, PostgresServer, Redis, RedisServer};
use redis::AsyncCommands;
use tokio_postgres::NoTls;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let began = Instant::now();
    let say = |what: &str| println!("{:>6} ms  {what}", began.elapsed().as_millis());

    let engine = Engine::connect().await?;
    say(&format!("{:?} {} at {}", engine.kind(), engine.version(), engine.endpoint()));

    let net = Network::create().await?;
    let (pg, cache) = tokio::try_join!(
        Postgres::new()
            .with_database("shop")
            .with_init_sql("CREATE TABLE item (id serial PRIMARY KEY, name text, pence int)")
            .customize(|container| container.with_network(&net, "db"))
            .start(),
        Redis::new().customize(|container| container.with_network(&net, "cache")).start(),
    )?;
    say(&format!("Postgres takes connections at {}, its data in memory", pg.addr()));
    say(&format!("Redis answers at {}", cache.addr()));

    say(&format!("rows, written and read from here: {}", rows(&pg).await?));
    say(&format!("Redis, written and read from here: {}", greet(&cache).await?));

    let psql = ["psql", "-U", "postgres", "-d", "shop", "-Atc", "SELECT sum(pence) FROM item"];
    let sum = pg.container().exec(psql).await?.ok()?;
    say(&format!(
        "psql in the container, exit code {}: {}",
        sum.exit_code,
        sum.stdout_text().trim()
    ));

    let sibling = Container::builder("busybox:1")
        .with_network(&net, ())
        .with_command(["sh", "-c", r"printf 'GET greeting\r\nQUIT\r\n' | nc cache 6379"])
        .run()
        .await?
        .ok()?;
    let heard = sibling.stdout_text().lines().nth(1).unwrap_or_default().to_owned();
    say(&format!("a sibling that asked `cache`, {}: {heard}", cache.container().ip(&net)?));

    let mut lines = pg.container().logs().with_tail(2).lines();
    while let Some(line) = lines.next().await {
        say(&format!("log of Postgres: {}", line?.text));
    }

    let names = [pg.container().name().to_owned(), cache.container().name().to_owned()];
    let letting_go = Instant::now();
    drop((pg, cache, net));
    say(&format!("two servers and a network dropped, in {:?}", letting_go.elapsed()));

    // Nobody has to wait for this; here it is proof.
    while engine.containers().all().list().await?.iter().any(|c| names.contains(&c.name)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say("the engine has removed them");
    Ok(())
}

async fn rows(pg: &PostgresServer) -> Result<String> {
    let (client, connection) = tokio_postgres::connect(&pg.url(), NoTls).await?;
    tokio::spawn(connection);
    let insert = "INSERT INTO item (name, pence) VALUES ($1, $2)";
    for (name, pence) in [("rope", 450), ("anchor", 12_500), ("flag", 820)] {
        client.execute(insert, &[&name, &pence]).await?;
    }
    let rows = client.query("SELECT id, name, pence FROM item ORDER BY pence", &[]).await?;
    let show = |row: &tokio_postgres::Row| {
        format!("{} {} {}", row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, i32>(2))
    };
    Ok(rows.iter().map(show).collect::<Vec<_>>().join(", "))
}

async fn greet(cache: &RedisServer) -> Result<String> {
    let client = redis::Client::open(cache.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    connection.set::<_, _, ()>("greeting", "ahoy").await?;
    Ok(connection.get("greeting").await?)
}

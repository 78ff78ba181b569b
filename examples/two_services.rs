//! Two services in a network of their own: one reaches the other by its in-network address.
//!
//! `cargo run --example two_services`

use castoff::{Container, Network, Result};
use castoff_modules::{Postgres, Redis};

#[tokio::main]
async fn main() -> Result<()> {
    let net = Network::create().await?;
    let (pg, cache) = tokio::try_join!(
        Postgres::new()
            .with_database("shop")
            .with_init_sql("CREATE TABLE item AS SELECT 'tea' AS name")
            .customize(|container| container.with_network(&net, "db"))
            .start(),
        Redis::new().customize(|container| container.with_network(&net, "cache")).start(),
    )?;
    println!("from here:        {} and {}", pg.url(), cache.url());
    println!("from the network: {} and {}", pg.network_url(), cache.network_url());

    // A service of one's own would get these as its settings; here, the two clients do.
    let item = Container::builder(pg.container().image())
        .with_network(&net, ())
        .with_entrypoint(["psql", &pg.network_url(), "-Atc", "SELECT name FROM item"])
        .run()
        .await?
        .ok()?;
    let item = item.stdout_text().trim().to_owned();
    let set = Container::builder(cache.container().image())
        .with_network(&net, ())
        .with_entrypoint(["redis-cli", "-u", &cache.network_url(), "set", "item", &item])
        .run()
        .await?
        .ok()?;
    println!("set item {item}:     {}", set.stdout_text().trim());

    let got = cache.container().exec(["redis-cli", "get", "item"]).await?.ok()?;
    assert_eq!(got.stdout_text().trim(), "tea");
    Ok(())
}

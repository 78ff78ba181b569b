//! One Postgres for a whole test run, and a database of its own for every test, in milliseconds.
//!
//! `cargo run --example postgres_per_test_database`. In a test suite, what `main` does eight times
//! is the first line of each test: under `cargo test` and `cargo nextest run` alike they share the
//! server, and it goes when the last one has ended.

use std::error::Error;
use std::time::Instant;

use castoff_modules::Postgres;
use castoff_modules::postgres::PgDatabase;
use tokio_postgres::NoTls;

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// What every test calls.
async fn database() -> Result<PgDatabase> {
    let server = Postgres::new().shared().await?;
    // Runs once for the server and this key; then the result is cloned.
    let database = server.database_from("items-v1", |url| async move {
        execute(&url, "CREATE TABLE item (name text PRIMARY KEY)").await
    });
    Ok(database.await?)
}

async fn execute(url: &str, sql: &str) -> Result<u64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client.execute(sql, &[]).await?)
}

/// A test: the same key would clash if two of them shared a database.
async fn test(number: usize) -> Result {
    let began = Instant::now();
    let database = database().await?;
    let ready = began.elapsed();
    let rows = execute(&database.url(), "INSERT INTO item VALUES ('tea')").await?;
    println!("test {number}: {} after {ready:.1?}, {rows} row", database.name());
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let began = Instant::now();
    // Held while the tests run, as by other tests.
    let _server = Postgres::new().shared().await?;
    println!("a server after {:.1?}", began.elapsed());
    let tests: Vec<_> = (0..8).map(|number| tokio::spawn(test(number))).collect();
    for test in tests {
        test.await??;
    }
    Ok(())
}

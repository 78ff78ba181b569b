//! The migrations of sqlx, run once for a server, and a clone of the result for every test.
//!
//! `cargo run --example postgres_sqlx_migrations`

use std::error::Error;
use std::path::Path;

use castoff_modules::Postgres;
use sqlx::PgPool;
use sqlx::migrate::Migrator;

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// A new version of the key would have them run on a server that is up already.
const KEY: &str = "shop-v2";

async fn migrate(url: String) -> Result {
    println!("migrating");
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migrations");
    let pool = PgPool::connect(&url).await?;
    Migrator::new(migrations).await?.run(&pool).await?;
    pool.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let server = Postgres::new().with_tag("17").shared().await?;
    for customer in ["ann", "bob"] {
        let database = server.database_from(KEY, migrate).await?;
        let pool = PgPool::connect(&database.url()).await?;
        let order =
            r#"INSERT INTO "order" (item, count) SELECT id, 2 FROM item WHERE name = 'tea'"#;
        sqlx::query(order).execute(&pool).await?;
        let total: i64 = sqlx::query_scalar(
            r#"SELECT sum(pence * count) FROM "order" JOIN item ON item = item.id"#,
        )
        .fetch_one(&pool)
        .await?;
        println!("{customer} in {}: {total} pence", database.name());
        assert_eq!(total, 500, "every database starts from the migrations");
        pool.close().await;
    }
    Ok(())
}

//! One Redis for a whole test run, and a logical database of its own for every test.
//!
//! `cargo run --example redis`

use std::error::Error;

use castoff_modules::Redis;
use redis::AsyncCommands;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let server = Redis::new().with_password("sesame").with_config("maxmemory", "64mb");
    let server = server.shared().await?;
    println!("the server: {}", server.addr());

    let (one, two) = tokio::try_join!(server.database(), server.database())?;
    for (database, visitors) in [(&one, 3), (&two, 5)] {
        let client = redis::Client::open(database.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        for _ in 0..visitors {
            connection.incr::<_, _, ()>("visitors", 1).await?;
        }
        let counted: u32 = connection.get("visitors").await?;
        println!("database {}: {counted} visitors", database.number());
        assert_eq!(counted, visitors, "nobody else writes there");
    }
    Ok(())
}

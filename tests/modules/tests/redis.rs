//! Redis, through the crate `redis`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{Redis, RedisServer};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü";

struct RedisFixture;

conformance!(RedisFixture);

async fn open(url: String) -> Outcome<MultiplexedConnection> {
    Ok(redis::Client::open(url)?.get_multiplexed_async_connection().await?)
}

impl Fixture for RedisFixture {
    type Module = Redis;
    type Client = MultiplexedConnection;

    fn module() -> Redis {
        Redis::new().with_password(PASSWORD)
    }

    fn tagged(tag: &str) -> Redis {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Redis, &'static str) {
        (Redis::new().with_config("no-such-setting", "1"), "no-such-setting")
    }

    async fn connect(server: &RedisServer) -> Outcome<MultiplexedConnection> {
        open(server.url()).await
    }

    async fn operate(client: &mut MultiplexedConnection, n: usize) -> Outcome {
        client.set::<_, _, ()>("n", n).await?;
        assert_eq!(client.get::<_, usize>("n").await?, n);
        Ok(())
    }

    async fn intrude(server: &RedisServer) -> Option<Outcome> {
        let url = format!("redis://:wrong@{}", server.addr());
        Some(async { Self::operate(&mut open(url).await?, 0).await }.await)
    }

    fn sibling(server: &RedisServer) -> Sibling {
        let addr = server.network_addr();
        let (host, port) = addr.split_once(':').unwrap_or_default();
        Sibling::command(&["redis-cli", "-h", host, "-p", port, "-a", PASSWORD, "ping"], "PONG")
    }
}

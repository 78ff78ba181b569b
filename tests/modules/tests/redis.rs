//! Redis, through the crate `redis`.

use castoff_modules::{Redis as Recipe, RedisServer as Handle};

const SERVER: &str = "redis-server";
const CLIENT: &str = "redis-cli";

include!("redis/both.rs");

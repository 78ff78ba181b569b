//! Redis, through the crate `redis`.

use castoff_modules::{Redis as Subject, RedisServer as Handle};

const SERVER: &str = "redis-server";
const CLIENT: &str = "redis-cli";

include!("redis/both.rs");

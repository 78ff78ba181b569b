//! Valkey, through the crate `redis`: the same tests as those of Redis.

use castoff_modules::{Valkey as Subject, ValkeyServer as Handle};

const SERVER: &str = "valkey-server";
const CLIENT: &str = "valkey-cli";

include!("redis/both.rs");

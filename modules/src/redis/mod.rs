//! A Redis server: [`Redis`] describes one, [`RedisServer`] is one that runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Redis;
//!
//! let cache = Redis::new().with_password("sesame").with_config("maxmemory", "64mb").start().await?;
//! println!("connect to {}", cache.url());
//! # Ok(())
//! # }
//! ```

mod builder;
mod ready;
mod server;

pub use builder::Redis;
pub use server::RedisServer;

/// The port that the server listens on in its container.
pub const PORT: u16 = 6379;

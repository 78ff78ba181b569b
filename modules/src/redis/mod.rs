//! Redis and Valkey servers: [`Redis`] describes one, [`RedisServer`] is one that runs; `Valkey`
//! and `ValkeyServer` are the same for Redis' free successor.
//!
//! ```no_run
//! # #[cfg(feature = "redis")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Redis;
//!
//! let cache = Redis::new().with_password("sesame").with_config("maxmemory", "64mb").start().await?;
//! println!("connect to {}", cache.url());
//! # Ok(())
//! # }
//! ```
//!
//! # One server, many tests
//!
//! Start it with `shared()`, and give every test a [`Database`] of its own, empty at first and
//! emptied when it is dropped:
//!
//! ```no_run
//! # #[cfg(feature = "valkey")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Valkey;
//!
//! let cache = Valkey::new().shared().await?;
//! let db = cache.database().await?;
//! println!("connect to {}", db.url());
//! # Ok(())
//! # }
//! ```
//!
//! Publish and subscribe know no databases, and neither do scripts, functions and settings: they
//! are the whole server's. Give channels a [`prefix`](RedisServer::unique_prefix).

mod access;
mod builder;
mod database;
mod lease;
mod options;
mod ready;
mod resp;
mod server;

#[cfg(feature = "redis")]
pub use builder::Redis;
#[cfg(feature = "valkey")]
pub use builder::Valkey;
pub use database::Database;
#[cfg(feature = "redis")]
pub use server::RedisServer;
#[cfg(feature = "valkey")]
pub use server::ValkeyServer;

/// The port that the server listens on in its container, without TLS.
pub const PORT: u16 = 6379;

/// The port that it listens on for TLS, if enabled.
pub const TLS_PORT: u16 = 6380;

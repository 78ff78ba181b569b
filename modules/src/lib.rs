//! Ready-made services for [castoff]: a typed handle over a real container.
//!
//! Each module is a feature of its own, none on by default, and two types: one that describes the
//! server, and one that is running. The latter is removed when it is dropped, as a
//! [`Container`](castoff::Container) is.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Postgres;
//!
//! let pg = Postgres::new()
//!     .with_database("shop")
//!     .with_init_sql("CREATE TABLE item (id int PRIMARY KEY, name text)")
//!     .start()
//!     .await?;
//! println!("connect to {}", pg.url());
//! # Ok(())
//! # }
//! ```
//!
//! | feature | describes | runs | image by default |
//! | --- | --- | --- | --- |
//! | `postgres` | `Postgres` | `PostgresServer` | `postgres:17` |
//! | `redis` | `Redis` | `RedisServer` | `redis:7` |
//!
//! # What they have in common
//!
//! * **Made for tests.** Data lies in memory and is not synced to disk, unless asked for.
//! * **Ready means ready.** Each is asked in its own protocol from the host, not by its log.
//! * **Everything else** that castoff can set for a container goes through `customize`: networks,
//!   limits, volumes, more waits.
//! * **Other images**: `with_tag` for another version, `with_image` for a relative, and castoff's
//!   `CASTOFF_IMAGE_SUBSTITUTES` and `CASTOFF_IMAGE_PREFIX` for a mirror.
//! * **Passwords** are never part of `Debug` output.
//!
//! # Writing one yourself
//!
//! This crate uses castoff's public API only. A module is a struct around a
//! [`ContainerBuilder`](castoff::ContainerBuilder), a wait made by
//! [`WaitFor::probe`](castoff::WaitFor::probe), and a struct around the container that comes out.

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;

#[cfg(any(feature = "postgres", feature = "redis"))]
mod probe;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod url;

pub use castoff;

#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresServer};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisServer};

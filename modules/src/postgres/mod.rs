//! A PostgreSQL server: [`Postgres`] describes one, [`PostgresServer`] is one that runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff::Network;
//! use castoff_modules::Postgres;
//!
//! let net = Network::create().await?;
//! let pg = Postgres::new()
//!     .with_tag("16")
//!     .with_config("max_connections", "20")
//!     .customize(|container| container.with_network(&net, "db").with_memory(512 << 20))
//!     .start()
//!     .await?;
//! let from_here = pg.url();
//! let from_the_network = "postgres://postgres:postgres@db:5432/postgres";
//! # drop((from_here, from_the_network));
//! # Ok(())
//! # }
//! ```

mod builder;
mod ready;
mod server;

pub use builder::Postgres;
pub use server::PostgresServer;

/// The port that the server listens on in its container.
pub const PORT: u16 = 5432;

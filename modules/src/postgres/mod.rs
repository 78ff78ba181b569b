//! A PostgreSQL server: [`Postgres`] describes one, [`PostgresServer`] is a handle to a running
//! one.
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
//! println!("from here: {}; from the network: {}", pg.url(), pg.network_url());
//! # Ok(())
//! # }
//! ```
//!
//! # A database for every test
//!
//! One server for a whole test run, whether tests are threads or processes, and a new database for
//! each test:
//!
//! ```no_run
//! # async fn migrate(url: &str) -> Result<(), std::io::Error> { Ok(()) }
//! use castoff_modules::Postgres;
//! use castoff_modules::postgres::PgDatabase;
//!
//! async fn database() -> castoff::Result<PgDatabase> {
//!     let server = Postgres::new().shared().await?;
//!     server.database_from("schema-v7", |url| async move { migrate(&url).await }).await
//! }
//! ```
//!
//! The migration runs once for the server and the key. Its result is a template, and databases are
//! clones of it: a copy of files on the server takes some milliseconds, and a clone that was made
//! in advance, in the background, takes less than one.

mod admin;
mod builder;
mod database;
mod login;
mod prepared;
mod ready;
mod server;
mod snapshot;
mod sql;
mod template;

pub use builder::Postgres;
pub use database::PgDatabase;
pub use prepared::{prepared_images, prune_prepared};
pub use server::PostgresServer;

/// The port that the server listens on in its container.
pub const PORT: u16 = 5432;

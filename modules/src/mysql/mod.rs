//! MariaDB and MySQL servers: [`MariaDb`] and [`MySql`] describe one, [`MariaDbServer`] and
//! [`MySqlServer`] are handles to running ones.
//!
//! ```no_run
//! # #[cfg(feature = "mariadb")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::MariaDb;
//!
//! let server = MariaDb::new().shared().await?;
//! let mine = server.database().await?; // a database of this test's own
//! println!("connect to {}", mine.url()); // mysql://test:test@127.0.0.1:49153/castoff_db_..
//! # Ok(())
//! # }
//! ```
//!
//! MySQL shares all code with MariaDB. castoff's CI runs MySQL 9.7, with the options of the image
//! `mysql`, and MariaDB 10.11.

mod admin;
mod builder;
mod database;
mod link;
mod login;
mod options;
mod quote;
mod reader;
mod ready;
mod script;
mod server;
mod step;

#[cfg(feature = "mariadb")]
pub use builder::MariaDb;
#[cfg(feature = "mysql")]
pub use builder::MySql;
pub use database::MySqlDatabase;
#[cfg(feature = "mariadb")]
pub use server::MariaDbServer;
#[cfg(feature = "mysql")]
pub use server::MySqlServer;

/// The port that the server listens on in its container.
pub const PORT: u16 = 3306;

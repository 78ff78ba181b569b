//! A NATS server: [`Nats`] describes one, [`NatsServer`] is a handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Nats;
//!
//! let nats = Nats::new().start().await?;
//! println!("connect to {}", nats.url());
//! # Ok(())
//! # }
//! ```
//!
//! # One server, many tests
//!
//! Start it with `shared()`, and give every test an [`Account`] of its own: subjects, streams,
//! buckets and consumers that nobody else sees, with none at first.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Nats;
//!
//! let nats = Nats::new().shared().await?;
//! let account = nats.account().await?;
//! println!("connect to {} as {}", account.url(), account.user());
//! # Ok(())
//! # }
//! ```
//!
//! # Credentials in URLs
//!
//! URLs contain them, percent-encoded as in RFC 3986. But **the crate `async-nats` ignores them**
//! (version 0.50, `connector.rs`): a client with only an account's URL connects without
//! credentials, and so to the common account. Pass it [`Account::user`] and [`Account::password`],
//! or the server's, by its options:
//!
//! ```ignore
//! let (user, password) = (account.user().to_owned(), account.password().to_owned());
//! let options = async_nats::ConnectOptions::with_user_and_password(user, password);
//! let client = options.connect(account.url()).await?;
//! ```

mod access;
mod account;
mod builder;
mod config;
mod ready;
mod server;
mod session;

pub use account::Account;
pub use builder::Nats;
pub use server::NatsServer;

/// The port that the server listens on in its container, with TLS and without.
pub const PORT: u16 = 4222;

/// The port of its monitoring interface, if enabled.
pub const MONITORING_PORT: u16 = 8222;

//! An Eclipse Mosquitto broker: [`Mosquitto`] describes one, [`MosquittoServer`] is one that runs.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Mosquitto;
//!
//! let broker = Mosquitto::new().with_user("sensor", "sesame").start().await?;
//! broker.retain("limits/high", "30").await?;
//! println!("connect to {}", broker.url());
//! # Ok(())
//! # }
//! ```
//!
//! # One broker, many tests
//!
//! Start it with `shared()`, and let every test put a [`prefix`](MosquittoServer::unique_prefix) of its
//! own before its topics. MQTT knows no other rooms on one broker.

mod builder;
mod packet;
mod password;
mod ready;
mod server;

pub use builder::Mosquitto;
pub use server::MosquittoServer;

/// The port that the broker listens on in its container, without TLS.
pub const PORT: u16 = 1883;

/// The port that it listens on for TLS, if enabled.
pub const TLS_PORT: u16 = 8883;

/// The port that it listens on for websockets, if enabled.
pub const WEBSOCKET_PORT: u16 = 9001;

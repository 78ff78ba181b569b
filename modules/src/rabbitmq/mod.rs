//! A RabbitMQ broker: [`RabbitMq`] describes one, [`RabbitMqServer`] is a handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::RabbitMq;
//!
//! let broker = RabbitMq::new().with_config("vm_memory_high_watermark.absolute", "256MB");
//! let broker = broker.shared().await?;
//! let mine = broker.vhost().await?; // queues and exchanges of this test's own
//! println!("connect to {}", mine.url());
//! # Ok(())
//! # }
//! ```
//!
//! A broker takes some seconds to start, so sharing one saves most here: creating a virtual host
//! takes a fraction of a second.

mod builder;
mod login;
mod ready;
mod server;
mod vhost;

pub use builder::RabbitMq;
pub use server::RabbitMqServer;
pub use vhost::Vhost;

/// The port for AMQP in the container.
pub const PORT: u16 = 5672;
/// The port of the management interface in the container.
pub const MANAGEMENT_PORT: u16 = 15672;

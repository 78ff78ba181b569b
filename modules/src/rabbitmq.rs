//! A RabbitMQ broker.

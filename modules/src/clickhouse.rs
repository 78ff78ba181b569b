//! A ClickHouse server.

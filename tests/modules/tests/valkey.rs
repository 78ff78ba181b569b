//! A Valkey server.

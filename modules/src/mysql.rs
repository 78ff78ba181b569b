//! A MySQL server.

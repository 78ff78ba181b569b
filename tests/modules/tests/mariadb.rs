//! A MariaDB server.

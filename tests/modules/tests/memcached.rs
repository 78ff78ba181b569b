//! A Memcached server.

//! A MongoDB replica set of one.

//! An Apache Cassandra node.

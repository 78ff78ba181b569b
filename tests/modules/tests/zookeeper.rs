//! An Apache ZooKeeper node.

//! An etcd node.

//! An Elasticsearch node.

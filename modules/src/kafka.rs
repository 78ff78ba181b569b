//! An Apache Kafka broker (KRaft).

//! A Neo4j graph database.

//! A CNCF Distribution image registry.

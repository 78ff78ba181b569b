//! A PostgreSQL server, with a database for every test.

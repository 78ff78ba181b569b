//! An nginx web server.

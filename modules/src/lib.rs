//! Ready-made services for castoff.

//! castoff

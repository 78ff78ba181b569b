//! Tests against a fake engine: every request is seen, and everything can be made to fail.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod calls;
mod copy;
mod dockerfiles;
mod drop;
mod exec;
mod failures;
mod fake;
mod inputs;
mod module;
mod ownership;
mod pulls;
mod support;
mod sweep;
mod waits;

//! Tests against a fake engine: every request is seen, and everything can be made to fail.

mod calls;
mod copy;
mod drop;
mod exec;
mod failures;
mod fake;
mod inputs;
mod ownership;
mod pulls;
mod support;
mod waits;

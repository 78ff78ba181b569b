//! Tests against a fake engine, which records every request, and on which every request can fail.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod auto_traits;
mod bench_report;
mod calls;
mod copy;
mod docker29;
mod dockerfiles;
mod drop;
mod engines;
mod exec;
mod failures;
mod fake;
mod inputs;
mod layers;
mod module;
mod owners;
mod ownership;
mod public_api;
mod pulls;
#[path = "../../benches/engine/report.rs"]
mod report;
#[path = "../../benches/engine/stats.rs"]
#[expect(dead_code, reason = "the benchmarks use all of it")]
mod stats;
mod support;
mod sweep;
mod values;
mod waits;

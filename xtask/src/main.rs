//! Set-up, tests and benchmarks of castoff: `cargo xtask help`.
fn main() {}

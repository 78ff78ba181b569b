//! The program is built with all other tests, and says what it does not understand.

use std::process::Command;

#[test]
fn what_is_no_number_is_refused() {
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_castoff-chaos"));
    let chaos = chaos.args(["--rounds", "many"]).env("CASTOFF_ENGINE", "unix:///nowhere");
    let output = chaos.output().expect("it runs");
    assert!(!output.status.success(), "{output:?}");
}

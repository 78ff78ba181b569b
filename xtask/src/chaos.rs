//! `cargo xtask chaos`: programs that are ended at random, and the resources that they leave.

use std::env;
use std::process::Command;

use crate::command::{command, run};
use crate::endpoint::Endpoint;
use crate::run::cargo;
use crate::test::TESTED;
use crate::{Outcome, engine, images, leftovers};

/// Ends programs at random and checks for leftovers.
pub(crate) fn chaos(engine: &Endpoint, args: &[&str]) -> Outcome {
    let mut chaos = cargo(engine, &["run", "--quiet", "-p", "castoff-chaos", "--"]);
    chaos.args(args);
    run(chaos)
}

/// Runs the same with the features of all tests, for which it is already built by a test of its
/// own.
pub(crate) fn with_the_rest(engine: &Endpoint, args: &[&str]) -> Outcome {
    run(ready(engine, args)?)
}

/// Builds it with these features, and returns the command.
pub(crate) fn ready(engine: &Endpoint, args: &[&str]) -> Outcome<Command> {
    let test = ["test", "--workspace", "--features", TESTED, "--test", "arguments", "--no-run"];
    run(cargo(engine, &test))?;
    // The binary is next to this program.
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut chaos = command(program.with_file_name("castoff-chaos"));
    chaos.args(args).env("CASTOFF_ENGINE", engine.address());
    Ok(chaos)
}

/// Runs it with everything that it needs.
pub(crate) fn alone(args: &[&str]) -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    chaos(&engine, args)?;
    leftovers::check(&engine)
}

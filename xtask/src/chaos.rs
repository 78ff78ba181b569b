//! `cargo xtask chaos`: programs that are ended at random, and what they leave.

use std::env;
use std::process::Command;

use crate::command::{command, run};
use crate::endpoint::Endpoint;
use crate::run::cargo;
use crate::test::TESTED;
use crate::{Outcome, engine, images, leftovers};

/// Ends programs at random and looks what they leave.
pub(crate) fn chaos(engine: &Endpoint, args: &[&str]) -> Outcome {
    let mut chaos = cargo(engine, &["run", "--quiet", "-p", "castoff-chaos", "--"]);
    chaos.args(args);
    run(chaos)
}

/// The same with the features of all tests, with which it is built already: a test of its own runs it.
pub(crate) fn with_the_rest(engine: &Endpoint, args: &[&str]) -> Outcome {
    run(ready(engine, args)?)
}

/// Builds it so, and gives the command.
pub(crate) fn ready(engine: &Endpoint, args: &[&str]) -> Outcome<Command> {
    let test = ["test", "--workspace", "--features", TESTED, "--test", "arguments", "--no-run"];
    run(cargo(engine, &test))?;
    // It lies next to this program.
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut chaos = command(program.with_file_name("castoff-chaos"));
    chaos.args(args).env("CASTOFF_ENGINE", engine.address());
    Ok(chaos)
}

/// With all that it needs.
pub(crate) fn alone(args: &[&str]) -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    chaos(&engine, args)?;
    leftovers::check(&engine)
}

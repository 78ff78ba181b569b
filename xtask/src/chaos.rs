//! `cargo xtask chaos`: programs that are ended at random, and what they leave.

use crate::command::run;
use crate::endpoint::Endpoint;
use crate::run::cargo;
use crate::{Outcome, engine, images, leftovers};

/// Ends programs at random and looks what they leave.
pub(crate) fn chaos(engine: &Endpoint, args: &[&str]) -> Outcome {
    let mut chaos = cargo(engine, &["run", "--quiet", "-p", "castoff-chaos", "--"]);
    chaos.args(args);
    run(chaos)
}

/// With all that it needs.
pub(crate) fn alone(args: &[&str]) -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    chaos(&engine, args)?;
    leftovers::check(&engine)
}

//! Ends programs that use castoff at random instants, in every way that there is, and looks what
//! they leave: `cargo xtask chaos --rounds N [--seed S] [--way KillUnit]`.
//!
//! Each round starts one to three children, this program once more, that create, start, wait,
//! exec, copy, commit, share and drop things, five containers each. All the while a sibling that
//! nobody ends and a container that castoff knows nothing of have to stay as they are.

mod child;
mod engine;
mod place;
mod report;
mod round;
mod way;

use std::process::ExitCode;

use crate::engine::Engine;
use crate::report::Report;
use crate::round::{Sibling, round};
use crate::way::Way;

/// What can go wrong, as a sentence.
type Outcome<T = ()> = Result<T, String>;

/// What to run.
struct Options {
    rounds: usize,
    seed: u64,
    /// Only this way to end.
    way: Option<Way>,
    /// None of these.
    without: Vec<Way>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Outcome<Options> {
        let mut options =
            Options { rounds: 20, seed: fastrand::u64(..), way: None, without: vec![] };
        while let Some(arg) = args.next() {
            let value = args.next();
            if arg == "--way" || arg == "--without" {
                let way = value.as_deref().and_then(Way::named);
                let way = way.ok_or_else(|| format!("{arg} is one of {:?}", Way::ALL))?;
                if arg == "--way" {
                    options.way = Some(way);
                } else {
                    options.without.push(way);
                }
                continue;
            }
            let value = value.and_then(|value| value.parse().ok());
            let value: u64 = value.ok_or_else(|| format!("{arg}: needs a number"))?;
            match arg.as_str() {
                "--rounds" => options.rounds = usize::try_from(value).unwrap_or(usize::MAX),
                "--seed" => options.seed = value,
                _ => return Err(format!("no such option: {arg}")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    if let Some(role) = child::Role::of_this_process() {
        return child::act(&role);
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<bool> {
    let options = Options::read(std::env::args().skip(1))?;
    let engine = Engine::find()?;
    println!("{} rounds from seed {}", options.rounds, options.seed);
    let (mut ways, refused) = place::ways(&engine);
    ways.retain(|one| !options.without.contains(one));
    if let Some(way) = options.way {
        ways.retain(|one| *one == way);
    }
    println!("{} ways to end", ways.len());
    for why in refused {
        println!("not here: {why}");
    }
    let mut random = fastrand::Rng::with_seed(options.seed);
    let foreign = engine.foreign_container()?;
    let sibling = Sibling::start(&engine)?;
    let mut report = Report::default();
    for number in 0..options.rounds {
        let ended = round(&engine, number, &ways, &mut random, &mut report)?;
        sibling.check(&engine)?;
        foreign.check()?;
        if number % 25 == 24 || !ended {
            println!("{} rounds, {} leaks", number + 1, report.leaks());
        }
    }
    sibling.end(&engine)?;
    print!("{report}");
    Ok(report.leaks() == 0)
}

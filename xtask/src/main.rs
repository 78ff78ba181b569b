//! Set-up, tests and benchmarks of castoff: `cargo xtask help`.
//!
//! Depends on the standard library alone, so that it is built in a second or two and castoff does
//! not have to compile before an engine can be set up.

mod apt;
mod base;
mod buildkit;
mod busybox;
mod chaos;
mod client;
mod command;
mod daemon;
mod demo;
mod dockerfiles;
mod endpoint;
mod engine;
mod fresh;
mod images;
mod leftovers;
mod others;
mod package;
mod paths;
mod picture;
mod podman;
mod progress;
mod recipe;
mod rig;
mod run;
mod step;
mod suite;
mod test;

use std::process::ExitCode;

/// The result of every task; the error is a sentence for the user.
type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
cargo xtask <task>

  test [--registry] [--here] [nextest|libtest] [filter…]
                            every check and test tier, on a real engine; fails without one;
                            as root on Debian, on Docker 28 and Podman 5.8 as well, unless --here
  test --engine NAME|all [filter…]
                            the engine tier on an engine beside the machine's (needs root)
  matrix                    one table: all of those engines against the tiers (needs root, and hours)
  demo                      set up an engine and run the quickstart example on it
  picture                   record the demo as docs/demo.svg, which the README shows
  package                   fail when a package has files that nobody needs, or lacks some
  fresh [--demo-only] [--keep] [--cargo-config FILE] [-- args of test…]
                            demo and test on a new machine, made and removed for it (needs root)
  bench [args…]             castoff against the raw Engine API; rows as they are measured
  chaos [--rounds N] [--seed S]
                            end programs at random instants in every way and look what is left
  dockerfiles [--buildkit]  the parser against the classic builder and hadolint, or against BuildKit,
                            on all files
  suite                     forty tests that share one container, under nextest and libtest
  engine up|down|status     find, start or install a container engine
  engine podman up|down|status
                            the same for Podman, next to Docker
  engine up|down|status docker28|docker28-containerd|docker26|docker26-containerd|
                        podman58|podman54|podman43
                            another engine beside the machine's, in namespaces of its own (needs root)
  engine exec NAME CMD…     run a command where that engine's published ports are on 127.0.0.1
  leftovers                 fail when the engine holds anything that castoff made
  images [--force]          provide the test images (castoff.test/<name>) on the engine

The engine: CASTOFF_ENGINE, then DOCKER_HOST, then the usual sockets, else it is set up.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str]) -> Outcome {
    match args {
        ["engine", "podman", verb] | ["engine", verb, "--podman"] => podman::verb(verb),
        ["engine", verb] => engine::verb(verb),
        ["engine", "exec", name, words @ ..] => rig::exec(name, words),
        ["engine", verb, name] => rig::verb(verb, name),
        ["images"] => images::provide(&engine::up()?, false),
        ["images", "--force"] => images::provide(&engine::up()?, true),
        ["leftovers"] => leftovers::check(&engine::up()?),
        ["test", rest @ ..] => test::test(rest),
        ["matrix"] => others::matrix(),
        ["fresh", rest @ ..] => fresh::fresh(rest),
        ["demo"] => demo::demo(),
        ["package"] => package::check(),
        ["picture"] => picture::picture(),
        ["bench", rest @ ..] => run::bench(rest),
        ["dockerfiles"] => dockerfiles::judge(),
        ["dockerfiles", "--buildkit"] => buildkit::judge(),
        ["suite"] => suite::alone(),
        ["chaos", rest @ ..] => chaos::alone(rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("no such task: {}\n\n{USAGE}", args.join(" "))),
    }
}

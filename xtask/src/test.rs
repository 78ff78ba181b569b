//! `cargo xtask test`: every check and every test tier, then the check for leftovers.

use std::env;

use crate::command::{find, run};
use crate::endpoint::Endpoint;
use crate::run::cargo;
use crate::step::Steps;
use crate::{Outcome, chaos, engine, images, leftovers, others, package, suite};

/// The targets to test. Doctests have no ignored tier of their own: the ignored ones are not meant
/// to run.
///
/// A whole run builds everything with the features of the whole workspace: another choice of
/// packages would compile shared dependencies again.
const TARGETS: [&str; 4] = ["--lib", "--bins", "--tests", "--examples"];

/// The number of test threads. Tests wait for the engine more than they compute, so there are more
/// than processors.
pub(crate) const THREADS: &str = "--test-threads=4";

/// The suite of the modules. It is the same for each of them, and its checks start dozens of
/// servers, so all of it runs under nextest; in threads, only the modules that share most.
const MODULES: &str = "castoff-conformance";
const IN_THREADS: [&str; 2] = ["mariadb", "redis"];

/// Long tests that are the same in threads; they run under nextest only.
const IN_PROCESSES: [&str; 5] =
    ["build::", "build_cache::", "dockerfiles::", "registry::", "services::"];

/// The features of the library and all modules; and, in `ALL`, those that CI can't run.
pub(crate) const TESTED: &str = "castoff/full,castoff-modules/full";
const ALL: &str = "castoff/full,castoff-conformance/unverified,castoff-modules/full";

/// The selection of tests.
#[derive(Debug, Default, PartialEq)]
struct Plan<'a> {
    registry: bool,
    /// Whether to use the machine's engine alone, without the engines that most users have.
    here: bool,
    /// The name of an engine beside the machine's, or `all`.
    engine: Option<&'a str>,
    runner: Option<&'a str>,
    filter: Vec<&'a str>,
}

impl<'a> Plan<'a> {
    fn new(args: &[&'a str]) -> Outcome<Self> {
        let mut plan = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            match arg {
                "--registry" => plan.registry = true,
                "--here" => plan.here = true,
                "--engine" => {
                    plan.engine = Some(args.next().ok_or("test --engine: which one, or all?")?);
                }
                "nextest" | "libtest" if plan.runner.is_none() => plan.runner = Some(arg),
                _ if arg.starts_with('-') => return Err(format!("test: no such option: {arg}")),
                _ => plan.filter.push(arg),
            }
        }
        Ok(plan)
    }

    /// Returns whether everything runs, including the static checks: nothing was selected.
    fn complete(&self) -> bool {
        self.runner.is_none() && self.filter.is_empty()
    }

    /// Returns arguments that exclude the tests with a step of their own from a whole run.
    fn left_out(&self) -> &'static [&'static str] {
        if self.complete() { &["--exclude", "castoff-suite"] } else { &[] }
    }

    /// Returns whether the tests in threads run on another engine.
    fn goes_elsewhere(&self) -> bool {
        self.complete() && !self.here && !self.registry && others::are_possible()
    }

    fn uses(&self, runner: &str) -> bool {
        self.runner.is_none_or(|picked| picked == runner)
    }
}

/// Runs everything and summarizes it.
pub(crate) fn test(args: &[&str]) -> Outcome {
    let plan = Plan::new(args)?;
    let mut steps = Steps::default();
    if let Some(name) = plan.engine {
        if plan.registry || plan.runner.is_some() {
            return Err("test --engine takes a filter, and neither --registry nor a runner".into());
        }
        others::test(name, &plan.filter, &mut steps)?;
        return steps.finish();
    }
    let mut found = None;
    steps.run("engine", || {
        found = Some(engine::up()?);
        Ok(())
    });
    let Some(engine) = found else { return steps.finish() };
    if !steps.run("images", || images::provide(&engine, false)) {
        return steps.finish();
    }
    if plan.complete() {
        checks(&engine, &mut steps);
    }
    if plan.uses("nextest") {
        nextest(&engine, &plan, &mut steps);
    }
    if plan.uses("libtest") {
        libtest(&engine, &plan, &mut steps);
    }
    if plan.registry {
        let args = ["test", "-p", MODULES, "--features", "unverified", "--test", "unverified"];
        let args = [&args[..], &["--", "--ignored", "--test-threads=2"]].concat();
        steps.run("modules that CI can't run", || run(tests(&engine, &plan, &args)));
    }
    if plan.complete() {
        suite::suite(&engine, &mut steps);
        steps.run("chaos", || chaos::with_the_rest(&engine, &["--rounds", "10"]));
    }
    if plan.complete() && !plan.here {
        others::usual(&mut steps);
    }
    steps.run("leftovers", || leftovers::check(&engine));
    steps.finish()
}

fn checks(engine: &Endpoint, steps: &mut Steps) {
    steps.run("fmt", || run(cargo(engine, &["fmt", "--all", "--check"])));
    let clippy =
        ["clippy", "--workspace", "--all-targets", "--features", ALL, "--", "-D", "warnings"];
    steps.run("clippy", || run(cargo(engine, &clippy)));
    steps.run("doc", || {
        let features = ["--features", ALL];
        let mut doc = cargo(engine, &["doc", "--workspace", "--no-deps"]);
        doc.args(features);
        doc.env("RUSTDOCFLAGS", "-Dwarnings");
        run(doc)
    });
    steps.run("package", package::check);
}

fn nextest(engine: &Endpoint, plan: &Plan<'_>, steps: &mut Steps) {
    let in_place = find("cargo-nextest").is_some() || in_cargo_home();
    let install = ["install", "cargo-nextest", "--locked"];
    if !in_place && !steps.run("install nextest", || run(cargo(engine, &install))) {
        return;
    }
    let tiers = [("nextest, no engine", None), ("nextest, engine", Some("ignored-only"))];
    for (name, ignored) in tiers {
        let mut args = vec!["nextest", "run", "--workspace", "--no-fail-fast"];
        args.extend(["--features", TESTED]);
        args.extend(ignored.into_iter().flat_map(|which| ["--run-ignored", which]));
        if ignored.is_some() {
            args.push(THREADS);
            args.extend(plan.left_out());
        }
        if !plan.filter.is_empty() {
            args.push("--no-tests=pass");
        }
        args.extend(&plan.filter);
        steps.run(name, || run(tests(engine, plan, &args)));
    }
}

fn libtest(engine: &Endpoint, plan: &Plan<'_>, steps: &mut Steps) {
    let tiers = [("libtest, no engine", false), ("libtest, engine", true)];
    for (name, ignored) in tiers {
        if ignored && plan.goes_elsewhere() {
            continue;
        }
        let mut args = vec!["test", "--workspace", "--no-fail-fast", "--features", TESTED];
        if ignored && plan.complete() {
            args.extend(["--lib", "--test", "engine"]);
        } else if ignored {
            args.extend(TARGETS);
        }
        args.push("--");
        args.extend(&plan.filter);
        if ignored {
            args.extend(["--ignored", THREADS]);
        }
        if ignored && plan.complete() {
            args.extend(IN_PROCESSES.iter().flat_map(|name| ["--skip", name]));
        }
        steps.run(name, || run(tests(engine, plan, &args)));
    }
    if plan.complete() {
        let mut args = vec!["test", "--workspace", "--no-fail-fast", "--features", TESTED];
        args.extend(IN_THREADS.iter().flat_map(|name| ["--test", name]));
        args.extend(["--", "--ignored", THREADS]);
        steps.run("libtest, modules", || run(tests(engine, plan, &args)));
    }
}

/// Returns a test command. With a registry, the modules run their own default images.
fn tests(engine: &Endpoint, plan: &Plan<'_>, args: &[&str]) -> std::process::Command {
    let mut command = cargo(engine, args);
    if plan.registry {
        command.env_remove("CASTOFF_IMAGE_SUBSTITUTES").env("CASTOFF_TEST_REGISTRY", "1");
    }
    command
}

/// Returns whether nextest is in cargo's home, where cargo finds it even if it is not on `PATH`.
fn in_cargo_home() -> bool {
    let home = env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", env::var("HOME").unwrap_or_default()));
    std::path::Path::new(&home).join("bin/cargo-nextest").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_or_a_filter_leaves_the_static_checks_out() {
        let plan = Plan::new(&["nextest", "redis"]).unwrap();
        assert!(!plan.complete() && plan.uses("nextest") && !plan.uses("libtest"));
        assert_eq!(plan.filter, ["redis"]);
        assert!(Plan::new(&["--registry"]).unwrap().complete());
        let here = Plan::new(&["--here"]).unwrap();
        assert!(here.complete() && !here.goes_elsewhere());
        assert_eq!(Plan::new(&["--engine", "all", "ends::"]).unwrap().engine, Some("all"));
        assert!(Plan::new(&["--what"]).is_err() && Plan::new(&["--engine"]).is_err());
    }
}

//! Tests on engines beside the machine's own: those of a normal `cargo xtask test`,
//! `cargo xtask test --engine`, and `cargo xtask matrix`.

use std::fmt::Write as _;
use std::process::Command;

use crate::command::{logged, run};
use crate::endpoint::Endpoint;
use crate::rig::{self, Rig};
use crate::run::cargo;
use crate::step::Steps;
use crate::test::{TESTED, THREADS};
use crate::{Outcome, chaos, images, leftovers, paths};

use crate::rig::missing;

/// The tests of a normal run beyond the machine's engine: the engine tier on an engine like that of
/// new installations, in threads, and the tests of all ends on a recent Podman.
const USUAL: [(&str, &[&str]); 2] = [
    ("docker28-containerd", &[]),
    ("podman58", &["ends::", "sweep::", "shared::", "build_ends::"]),
];
/// The modules that share most, as in a whole run.
const MODULES: [&str; 2] = ["mariadb", "redis"];
/// Limit for the time of one cell of the matrix.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Runs the library's tests, or those of a filter, on these engines.
pub(crate) fn test(name: &str, filter: &[&str], steps: &mut Steps) -> Outcome {
    for rig in rig::chosen(name)? {
        on(&rig, filter, steps);
    }
    Ok(())
}

/// Returns whether other engines can run beside the machine's.
pub(crate) fn are_possible() -> bool {
    missing().is_none()
}

/// Runs the normal tests on other engines; if there can be none, the table says why.
pub(crate) fn usual(steps: &mut Steps) {
    for (name, filter) in USUAL {
        match (missing(), rig::named(name)) {
            (None, Ok(rig)) => on(&rig, filter, steps),
            (Some(reason), _) | (_, Err(reason)) => steps.leave_out(name, &reason),
        }
    }
}

/// Starts an engine if needed, runs the tests there, and stops it if it was started for this.
fn on(rig: &Rig, filter: &[&str], steps: &mut Steps) {
    let name = rig.name();
    let ran = rig.endpoint().answers();
    let mut found = None;
    let ready = steps.run(&format!("{name}, set-up"), || {
        let engine = rig.up()?;
        images::provide(&engine, false)?;
        found = Some(engine);
        Ok(())
    });
    if let Some(engine) = found.filter(|_| ready) {
        steps.run(&format!("{name}, engine tier"), || run(tier(rig, &engine, filter)));
        steps.run(&format!("{name}, leftovers"), || leftovers::check(&engine));
    }
    if !ran {
        steps.run(&format!("{name}, stop"), || rig.down());
    }
}

/// Returns the command for the engine tier, in threads, with the features of a whole run.
fn tier(rig: &Rig, engine: &Endpoint, filter: &[&str]) -> Command {
    let mut args = vec!["test", "--workspace", "--no-fail-fast", "--features", TESTED];
    args.extend(["--lib", "--test", "engine", "--"]);
    args.extend(filter);
    args.extend(["--ignored", THREADS]);
    rig.inside(&cargo(engine, &args))
}

fn modules(rig: &Rig, engine: &Endpoint) -> Command {
    let mut args = vec!["test", "--workspace", "--no-fail-fast", "--features", TESTED];
    args.extend(MODULES.iter().flat_map(|name| ["--test", name]));
    args.extend(["--", "--ignored", THREADS]);
    rig.inside(&cargo(engine, &args))
}

/// Runs `cargo xtask matrix`: all these engines against the tiers, in one table. Fails if a cell is
/// red.
pub(crate) fn matrix() -> Outcome {
    let mut table =
        format!("{:22}{:>18}{:>18}{:>26}\n", "engine", "engine tier", "modules", "chaos");
    let mut red = 0;
    for rig in rig::chosen("all")? {
        let ran = rig.endpoint().answers();
        let engine = rig.up()?;
        images::provide(&engine, false)?;
        let name = rig.name();
        let cells = [
            cell(&rig.name_of("engine"), tier(&rig, &engine, &[])),
            cell(&rig.name_of("modules"), modules(&rig, &engine)),
            cell(&rig.name_of("chaos"), rig.inside(&chaos::ready(&engine, &["--rounds", "20"])?)),
        ];
        red += cells.iter().filter(|(good, _)| !good).count();
        let [one, two, three] = cells.map(|(_, text)| text);
        let row = format!("{name:22}{one:>18}{two:>18}{three:>26}");
        println!("{row}");
        // Writing to a string does not fail.
        let _ = writeln!(table, "{row}");
        if !ran {
            rig.down()?;
        }
    }
    println!("\n{table}");
    if red == 0 { Ok(()) } else { Err(format!("{red} cells are red; logs are in target/xtask")) }
}

/// Runs one cell. Returns whether it is green, and its text: the tests that passed, or the leaks.
fn cell(log: &str, command: Command) -> (bool, String) {
    let good = logged(command, log, LIMIT).is_ok();
    let text = paths::scratch(&format!("{log}.log")).ok();
    let text = text.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    (good, summed(&text))
}

/// Summarizes a log of tests or of chaos.
fn summed(log: &str) -> String {
    if let Some(line) = log.lines().rev().find(|line| line.contains(" leaks")) {
        return line.trim().to_owned();
    }
    let count = |line: &str, what: &str| -> u32 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| word.trim_end_matches(';') == what);
        at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
    };
    let results: Vec<&str> = log.lines().filter(|line| line.starts_with("test result:")).collect();
    let passed: u32 = results.iter().map(|line| count(line, "passed")).sum();
    let failed: u32 = results.iter().map(|line| count(line, "failed")).sum();
    format!("{passed} of {}", passed + failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_summed_up() {
        let log = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                   test result: FAILED. 7 passed; 2 failed; 0 ignored\n";
        assert_eq!(summed(log), "10 of 12");
        assert_eq!(summed("25 rounds, 0 leaks\n20 rounds, 1 leaks\nend"), "20 rounds, 1 leaks");
    }

    #[test]
    fn what_others_are_tried_can_be_had() {
        assert!(USUAL.iter().all(|(name, _)| rig::named(name).is_ok()));
        assert!(rig::named("docker1").is_err() && rig::chosen("all").unwrap().len() > 6);
    }
}

//! Timed steps: each prints its name and its duration, and a table closes the run.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::progress::{self, Going};

/// Runs one step, announcing it and its duration.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    progress::say(&format!("» {what}"));
    let started = Instant::now();
    let going = Going::begin(what);
    let outcome = work();
    drop(going);
    let verdict = if outcome.is_ok() { "done" } else { "FAILED" };
    progress::say(&format!("  {what}: {verdict} in {}", seconds(started.elapsed())));
    outcome
}

/// A run of many steps that continues after a failure and reports all of them.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    rows: Vec<(String, Duration, Outcome)>,
    /// The steps that can't run on this machine, with the reasons.
    left_out: Vec<(String, String)>,
}

impl Steps {
    /// Runs one step and records it. Returns whether it succeeded.
    pub(crate) fn run(&mut self, what: &str, work: impl FnOnce() -> Outcome) -> bool {
        progress::say(&format!("\n== {what}"));
        let started = Instant::now();
        let outcome = work();
        if let Err(reason) = &outcome {
            progress::clear();
            eprintln!("{what}: {reason}");
        }
        let good = outcome.is_ok();
        self.rows.push((what.to_owned(), started.elapsed(), outcome));
        good
    }

    /// Records a step that can't run on this machine, for the table.
    pub(crate) fn leave_out(&mut self, what: &str, reason: &str) {
        self.left_out.push((what.to_owned(), reason.to_owned()));
    }

    /// Prints the table. Fails if any step failed.
    pub(crate) fn finish(self) -> Outcome {
        let width = self.rows.iter().map(|(what, ..)| what.chars().count()).max().unwrap_or(0);
        let total: Duration = self.rows.iter().map(|(_, took, _)| *took).sum();
        println!("\n{:width$}  {:>9}  result", "step", "time");
        for (what, took, outcome) in &self.rows {
            let result = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{what:width$}  {:>9}  {result}", seconds(*took));
        }
        println!("{:width$}  {:>9}", "total", seconds(total));
        for (what, reason) in &self.left_out {
            println!("NOT RUN: {what}: {reason}");
        }
        let failed = self.rows.iter().filter(|(.., outcome)| outcome.is_err()).count();
        if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} failed", self.rows.len())) }
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_later_ones_still_run() {
        let mut steps = Steps::default();
        assert!(!steps.run("one", || Err("no".into())));
        assert!(steps.run("two", || Ok(())));
        assert_eq!(steps.finish(), Err("1 of 2 failed".into()));
    }
}

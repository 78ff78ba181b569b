//! `cargo xtask suite`: forty tests that share one container, and the engine's record of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use crate::command::run;
use crate::endpoint::{Endpoint, strings};
use crate::run::cargo;
use crate::step::Steps;
use crate::test::TESTED;
use crate::{Outcome, engine, images, leftovers, paths};

/// Labels of the containers of the suites' tests, encoded for a query.
const FORTY: &str = "castoff-suite%3Dyes";
const DATABASES: &str = "castoff-suite%3Ddatabases";
/// The time that shared containers stay: longer than any pause between two tests.
const LINGER: Duration = Duration::from_secs(5);
/// Limit for removals after that.
const SLACK: Duration = Duration::from_secs(10);

/// One way to run the tests.
struct Case {
    name: &'static str,
    label: &'static str,
    args: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// The expected number of created containers.
    created: std::ops::RangeInclusive<usize>,
}

const NEXTEST: &[&str] = &[
    "nextest",
    "run",
    "--workspace",
    "--features",
    TESTED,
    "--test",
    "forty",
    "--run-ignored",
    "ignored-only",
];
const TWO_HUNDRED: &[&str] = &[
    "nextest",
    "run",
    "--workspace",
    "--features",
    TESTED,
    "--test",
    "two_hundred",
    "--run-ignored",
    "ignored-only",
];
const LIBTEST: &[&str] =
    &["test", "--workspace", "--features", TESTED, "--test", "forty", "--", "--ignored"];

const CASES: [Case; 6] = [
    Case { name: "nextest", label: FORTY, args: NEXTEST, variables: &[], created: 1..=1 },
    Case { name: "libtest", label: FORTY, args: LIBTEST, variables: &[], created: 1..=1 },
    Case {
        name: "maker killed while creating",
        label: FORTY,
        args: NEXTEST,
        variables: &[("CASTOFF_SUITE_KILL", "creating")],
        created: 1..=2,
    },
    Case {
        name: "maker killed while waiting",
        label: FORTY,
        args: NEXTEST,
        variables: &[("CASTOFF_SUITE_KILL", "waiting")],
        created: 2..=2,
    },
    Case {
        name: "maker killed right after",
        label: FORTY,
        args: NEXTEST,
        variables: &[("CASTOFF_SUITE_KILL", "after")],
        created: 1..=1,
    },
    Case {
        name: "200 databases",
        label: DATABASES,
        args: TWO_HUNDRED,
        variables: &[],
        created: 1..=1,
    },
];

/// Runs it with everything that it needs.
pub(crate) fn alone() -> Outcome {
    let engine = engine::up()?;
    images::provide(&engine, false)?;
    let mut steps = Steps::default();
    suite(&engine, &mut steps);
    steps.run("leftovers", || leftovers::check(&engine));
    steps.finish()
}

/// Runs every case.
pub(crate) fn suite(engine: &Endpoint, steps: &mut Steps) {
    for case in CASES {
        steps.run(&format!("suite, {}", case.name), || case.run(engine));
    }
    steps.run("suite, two runs at once", || two_at_once(engine));
}

impl Case {
    fn run(&self, engine: &Endpoint) -> Outcome {
        // A container of an earlier run may linger, and would be joined.
        gone(engine, self.label, Instant::now())?;
        let before = since_1970();
        let mark = paths::scratch("suite.mark")?;
        // The file exists only if a run was cut short.
        drop(fs::remove_file(&mark));
        let mut tests = cargo(engine, self.args);
        tests.envs(self.variables.iter().copied()).env("CASTOFF_SUITE_MARK", &mark);
        if !self.variables.is_empty() {
            // The killed test is run again, which is not a failure.
            tests.args(["--retries", "1"]);
        }
        run(tests)?;
        let ended = Instant::now();
        let here = left(engine, self.label)?;
        gone(engine, self.label, ended)?;
        let created = created(engine, self.label, before)?;
        if !self.created.contains(&created) {
            return Err(format!("{created} containers were created, and not {:?}", self.created));
        }
        if self.name == "nextest" && here == 0 {
            return Err("it was removed at once, and the next process would make it anew".into());
        }
        println!(
            "{created} created for all tests; gone {:.1} s after the last test",
            ended.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

/// Checks that two test runs of one user share as well.
fn two_at_once(engine: &Endpoint) -> Outcome {
    let before = since_1970();
    let runs = [NEXTEST, LIBTEST].map(|args| cargo(engine, args).spawn());
    for run in runs {
        let status = run.and_then(|mut run| run.wait()).map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("one of two runs ended with {status}"));
        }
    }
    gone(engine, FORTY, Instant::now())?;
    match created(engine, FORTY, before)? {
        1 => Ok(()),
        created => Err(format!("{created} containers were created for two runs, and not one")),
    }
}

/// Waits until shared containers are gone.
fn gone(engine: &Endpoint, label: &str, ended: Instant) -> Outcome {
    while left(engine, label)? > 0 {
        if ended.elapsed() > LINGER + SLACK {
            return Err("what was shared is still there".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn left(engine: &Endpoint, label: &str) -> Outcome<usize> {
    let filters = format!("filters=%7B%22label%22%3A%5B%22{label}%22%5D%7D");
    Ok(strings(&engine.get(&format!("/containers/json?all=1&{filters}"))?, "Id").len())
}

/// Returns the number of the suite's containers created since a time, from the engine's events.
fn created(engine: &Endpoint, label: &str, since: u64) -> Outcome<usize> {
    let filters = format!(
        "filters=%7B%22label%22%3A%5B%22{label}%22%5D%2C%22event%22%3A%5B%22create%22%5D%7D"
    );
    let until = since_1970() + 1;
    let events = engine.get(&format!("/events?since={since}&until={until}&{filters}"))?;
    Ok(events.matches("\"Action\":\"create\"").count())
}

fn since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

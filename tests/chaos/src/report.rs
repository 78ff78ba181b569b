//! What the rounds came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long it took until everything was gone, by way of ending, and what never went.
#[derive(Debug, Default)]
pub(crate) struct Report {
    times: BTreeMap<String, Vec<Duration>>,
    leaks: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, way: &str, took: Duration) {
        self.times.entry(way.to_owned()).or_default().push(took);
    }

    pub(crate) fn leak(&mut self, what: String) {
        eprintln!("LEAK: {what}");
        self.leaks.push(what);
    }

    pub(crate) fn leaks(&self) -> usize {
        self.leaks.len()
    }
}

/// The time that so many of a hundred stay within.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, times: &[Duration]| {
            let mut sorted = times.to_vec();
            sorted.sort_unstable();
            let [half, most, all] = [50, 99, 100].map(|p| percentile(&sorted, p).as_secs_f64());
            writeln!(f, "{name:28} {:>5}  {half:>6.2} s  {most:>6.2} s  {all:>6.2} s", sorted.len())
        };
        writeln!(
            f,
            "{:28} {:>5}  {:>8}  {:>8}  {:>8}",
            "way of ending", "ends", "p50", "p99", "max"
        )?;
        for (name, times) in &self.times {
            row(f, name, times)?;
        }
        let ends = self.times.iter().filter(|(name, _)| !name.starts_with('('));
        let all: Vec<Duration> = ends.flat_map(|(_, times)| times.iter().copied()).collect();
        row(f, "all", &all)?;
        writeln!(f, "leaks: {}", self.leaks.len())
    }
}

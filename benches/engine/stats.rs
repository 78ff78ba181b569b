//! Samples, what is said of them, and the table.

use std::time::Duration;

use serde_json::{Value, json};

/// One line of the table: a figure of castoff, next to the floor's where there is one.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    raw: Vec<f64>,
    castoff: Vec<f64>,
    judged: Judged,
}

/// What a row is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judged {
    /// The ratio of the medians.
    Ratio(f64),
    /// Castoff's largest sample.
    Most(f64),
    /// Castoff's 99th percentile.
    P99(f64),
    /// Castoff's median.
    Median(f64),
    /// The median of what castoff takes more.
    Excess(f64),
    /// Nothing: for information.
    No,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, judged: Judged) -> Self {
        Row { name: name.into(), unit, raw: Vec::new(), castoff: Vec::new(), judged }
    }

    pub(crate) fn add(&mut self, raw: Option<f64>, castoff: Option<f64>) {
        self.raw.extend(raw);
        self.castoff.extend(castoff);
    }

    fn verdict(&self) -> Option<bool> {
        match self.judged {
            _ if self.castoff.is_empty() => None,
            Judged::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Judged::Most(most) => Some(percentile(&self.castoff, 1.0) <= most),
            Judged::P99(most) => Some(percentile(&self.castoff, 0.99) <= most),
            Judged::Median(most) => Some(percentile(&self.castoff, 0.5) <= most),
            Judged::Excess(most) => self.excess().map(|excess| excess <= most),
            Judged::No => None,
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.ratio_at(0.5)
    }

    /// Of the values below which a tenth lies: those that others on the machine disturbed least.
    fn undisturbed(&self) -> Option<f64> {
        self.ratio_at(0.1)
    }

    fn ratio_at(&self, share: f64) -> Option<f64> {
        let comparable = !self.raw.is_empty() && !self.castoff.is_empty();
        comparable.then(|| percentile(&self.castoff, share) / percentile(&self.raw, share))
    }

    /// The median of what castoff takes more, pair by pair: steadier than the ratio where the
    /// engine's own time wanders.
    fn excess(&self) -> Option<f64> {
        let pairs = self.raw.iter().zip(&self.castoff);
        let more: Vec<f64> = pairs.map(|(raw, castoff)| castoff - raw).collect();
        (!more.is_empty()).then(|| percentile(&more, 0.5))
    }

    /// A line of the table.
    pub(crate) fn line(&self) -> String {
        let number =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let of = |samples: &[f64], share| {
            number((!samples.is_empty()).then(|| percentile(samples, share)))
        };
        let verdict = match self.verdict() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!(
            "{:<42} {:>5} {:>10} {:>10} {:>10} {:>7} {:>7} {:>9}  {} {verdict}",
            format!("{} [{}]", self.name, self.unit),
            self.castoff.len(),
            of(&self.raw, 0.5),
            of(&self.castoff, 0.5),
            of(&self.castoff, 0.99),
            number(self.ratio()),
            number(self.undisturbed()),
            number(self.excess()),
            target(self.judged),
        );
        line.trim_end().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        let side = |samples: &[f64]| {
            if samples.is_empty() {
                return Value::Null;
            }
            json!({
                "median": percentile(samples, 0.5),
                "p99": percentile(samples, 0.99),
                "most": percentile(samples, 1.0),
                "samples": samples,
            })
        };
        json!({
            "name": self.name,
            "unit": self.unit,
            "raw": side(&self.raw),
            "castoff": side(&self.castoff),
            "ratio": self.ratio(),
            "ratio_p10": self.undisturbed(),
            "excess": self.excess(),
            "target": target(self.judged),
            "met": self.verdict(),
        })
    }
}

/// The value below which this share of the samples lies.
fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * (sorted.len() as f64 - 1.0)).clamp(0.0, sorted.len() as f64 - 1.0);
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn target(judged: Judged) -> String {
    match judged {
        Judged::Ratio(most) => format!("ratio <= {most:.2}"),
        Judged::Most(most) => format!("most < {most}"),
        Judged::P99(most) => format!("p99 < {most}"),
        Judged::Median(most) => format!("median < {most}"),
        Judged::Excess(most) => format!("excess < {most}"),
        Judged::No => String::new(),
    }
}

/// The head of the table.
pub(crate) fn head() -> String {
    let [name, n, raw, castoff, p99, ratio, p10, excess] =
        ["", "n", "raw", "castoff", "p99", "ratio", "p10", "excess"];
    format!(
        "{name:<42} {n:>5} {raw:>10} {castoff:>10} {p99:>10} {ratio:>7} {p10:>7} {excess:>9}  target"
    )
}

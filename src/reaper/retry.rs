//! [`Retry`]: the pauses between attempts at something that may fail again.

use std::time::{Duration, Instant};

/// The time of the next attempt to start a guardian, after one that failed or ended.
#[derive(Default)]
pub(super) struct Retry {
    failures: u32,
    not_before: Option<Instant>,
}

impl Retry {
    /// The shortest wait. The second attempt is due at once, as it may succeed, and the ones after
    /// it 200 ms, 400 ms and so on after the last: each may be a fork.
    const FIRST: Duration = Duration::from_millis(100);
    const MOST: u32 = 9;
    /// The time after which earlier failures are forgotten: a guardian that ran for so long can
    /// run.
    const STOOD: Duration = Duration::from_secs(2);

    pub(super) fn is_due(&self) -> bool {
        self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    pub(super) fn wait(&self) -> Duration {
        let wait = self.not_before.map(|time| time.saturating_duration_since(Instant::now()));
        wait.unwrap_or_default().max(Retry::FIRST)
    }

    pub(super) fn begun(&mut self) {
        if self.not_before.is_none_or(|time| time.elapsed() > Retry::STOOD) {
            self.failures = 0;
        }
        let pause = match self.failures {
            0 => Duration::ZERO,
            n => Retry::FIRST.saturating_mul(1 << n.min(Retry::MOST)),
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_tried_again_at_once_and_then_ever_more_rarely() {
        let mut retry = Retry::default();
        assert!(retry.is_due());
        retry.begun();
        assert!(retry.is_due(), "the next resource may have better luck");
        let mut pauses = Vec::new();
        for _ in 0..15 {
            retry.begun();
            pauses.push(retry.wait().as_millis().div_ceil(100));
        }
        assert!(!retry.is_due() && pauses.is_sorted(), "{pauses:?}");
        assert!(*pauses.last().unwrap() < 600);
    }
}

//! Pauses between probes, proportional to the elapsed time, from 1 ms to 100 ms.

use std::time::{Duration, Instant};

/// Divisor of the elapsed time. A wait of one second ends 20 ms late on average: half of a pause.
const PART: u32 = 25;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Backoff(Instant);

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff(Instant::now())
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(after(self.0.elapsed())).await;
    }
}

fn after(passed: Duration) -> Duration {
    (passed / PART).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_what_has_passed() {
        let millis = |n| Duration::from_millis(n);
        assert_eq!([0, 50, 1000, 60_000].map(|n| after(millis(n))), [1, 2, 40, 100].map(millis));
    }
}

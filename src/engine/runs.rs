//! The runs of a container that its restart policy starts again: the last one, and the output of
//! all of them.

use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt, stream};

use super::{Client, ContainerDetails, FrameStream, LogFrame, LogRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::RestartPolicy;

/// Limit for Podman to restart a container: it does so at once, but unlike Docker's its state does
/// not announce it.
const PODMAN_LIMIT: Duration = Duration::from_secs(10);
/// Limit for a log to continue after it ended while its container runs.
const SAME_RUN: Duration = Duration::from_millis(50);

impl Client {
    /// Returns once a container has been started, or is gone. Docker treats a container that was
    /// never started as one that ended with code 0.
    pub(crate) async fn until_started(&self, id: &str) -> Result<()> {
        // Events since the beginning, so that no start in between is missed.
        let mut events = self.container_starts(id, (0, 0));
        // The state does not tell: it is another one while the container is being removed.
        if self.inspect_container(id).await?.started.is_some() {
            return Ok(());
        }
        match events.next().await {
            Some(event) => event.map(drop),
            None => {
                let message = "the engine ended its event stream";
                Err(Error::new(ErrorKind::Connection, message))
            }
        }
    }

    /// Returns the exit code of a container's last run, after which it neither runs nor restarts.
    pub(crate) async fn last_exit(&self, id: &str, policy: RestartPolicy) -> Result<i64> {
        loop {
            let code = self.wait_container(id).await?;
            if policy == RestartPolicy::No || self.next_run(id).await?.is_none() {
                return Ok(code);
            }
        }
    }

    /// Returns once a container runs, if need be after a restart; `None` if it has ended for good.
    ///
    /// The engine pushes the start. Docker reports that a container is restarting; for Podman the
    /// policy and the number of restarts imply it.
    pub(crate) async fn next_run(&self, id: &str) -> Result<Option<ContainerDetails>> {
        let found = self.inspect_container(id).await?;
        if !self.starts_again(&found) {
            return Ok(found.state.running.then_some(found));
        }
        let waiting = self.until_it_runs(id, found.finished.unwrap_or_default());
        if !self.is_podman() {
            return waiting.await;
        }
        tokio::time::timeout(PODMAN_LIMIT, waiting).await.unwrap_or(Ok(None))
    }

    async fn until_it_runs(&self, id: &str, since: (i64, u32)) -> Result<Option<ContainerDetails>> {
        // `die` and `stop` also come when a start fails or is cancelled.
        let kinds = ["start", "die", "died", "stop", "destroy", "remove"];
        let mut events = self.container_events(id, since, &kinds);
        loop {
            let Some(event) = events.next().await else {
                let message = "the engine ended its event stream";
                return Err(Error::new(ErrorKind::Connection, message));
            };
            event?;
            let found = self.inspect_container(id).await?;
            if !self.starts_again(&found) {
                return Ok(found.state.running.then_some(found));
            }
        }
    }

    /// Returns whether a container does not run but will be restarted.
    fn starts_again(&self, found: &ContainerDetails) -> bool {
        let state = &found.state;
        if state.restarting {
            return true;
        }
        if state.running || !self.is_podman() || state.status == "created" {
            return false;
        }
        match found.restart {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { max_retries } => {
                let left = max_retries.is_none_or(|most| found.restarts < u64::from(most));
                state.exit_code != 0 && left
            }
        }
    }

    /// Streams the events of a container: `false` for a start or an end, `true` once it is gone.
    pub(crate) fn run_events(
        &self,
        id: &str,
        since: (i64, u32),
    ) -> Pin<Box<dyn Stream<Item = Result<bool>> + Send>> {
        let kinds = ["start", "die", "died", "destroy", "remove"];
        let events = self.container_events(id, since, &kinds);
        Box::pin(events.map(|event| Ok(matches!(event?.as_str(), "destroy" | "remove"))))
    }

    /// Streams the output of a container over all its runs, until it has ended for good. The engine
    /// ends a followed log with each run, or on Podman some time later, within the next run; then
    /// the log is read again from there.
    pub(crate) fn log_of_all_runs(&self, id: &str, request: &LogRequest) -> FrameStream {
        let runs = Runs {
            engine: self.clone(),
            id: id.to_owned(),
            request: request.clone(),
            log: self.log_as_it_is(id, request),
            seen: 0,
            counted: !self.is_podman(),
            run: None,
            last: false,
        };
        Box::pin(stream::unfold(Some(runs), async |runs| runs?.next().await))
    }
}

/// Returns a time between the run that has just ended and the next one, which may have begun.
fn behind_run(found: &ContainerDetails) -> Option<(i64, u32)> {
    if found.state.running {
        return found.between_runs();
    }
    // Docker waits at least 100 ms before a restart. The last lines get their time when they are
    // read, on a busy machine some time after the end.
    let (seconds, nanos) = found.finished?;
    let nanos = nanos + 90_000_000;
    Some((seconds + i64::from(nanos / 1_000_000_000), nanos % 1_000_000_000))
}

/// Returns the number of frames before the last lines. `ends` says for each frame whether it ends a
/// line.
fn before_last(ends: &[bool], lines: u64) -> usize {
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    // An unfinished line at the end counts as well.
    let whole = lines.saturating_sub(usize::from(ends.last() == Some(&false)));
    let mut places = (0..ends.len()).rev().filter(|at| ends.get(*at) == Some(&true));
    if lines == 0 {
        return ends.len();
    }
    places.nth(whole).map_or(0, |end| end + 1)
}

/// The progress of reading the log of a container that is restarted.
struct Runs {
    engine: Client,
    id: String,
    request: LogRequest,
    log: FrameStream,
    seen: usize,
    /// Whether the beginning of the last lines is known, or not needed on this engine.
    counted: bool,
    /// The start of the run that is being followed.
    run: Option<(i64, u32)>,
    last: bool,
}

impl Runs {
    /// Counts the frames before the last lines once, to skip them in each reading. On Podman a
    /// followed log may include part of the next run, so its end is not the end of a run.
    async fn count_what_tail_leaves_out(&mut self) -> Result<()> {
        self.counted = true;
        if let Some(lines) = self.request.tail.take() {
            let all = LogRequest { follow: false, ..self.request.clone() };
            let mut log = self.engine.log_as_it_is(&self.id, &all);
            let mut ends = Vec::new();
            while let Some(frame) = log.next().await {
                ends.push(frame?.bytes.ends_with(b"\n"));
            }
            self.seen = before_last(&ends, lines);
            let log = self.engine.log_as_it_is(&self.id, &self.request);
            self.log = Box::pin(log.skip(self.seen));
        }
        Ok(())
    }

    /// Replaces `tail` by a time, since the last lines change when there are more. From then on
    /// only output after the run that has ended is read.
    async fn leave_tail_behind(&mut self) -> Result<()> {
        if self.request.tail.is_some() {
            let found = self.engine.inspect_container(&self.id).await?;
            if !found.state.running && !self.engine.starts_again(&found) {
                return Ok(());
            }
            if let Some(since) = behind_run(&found) {
                self.request =
                    LogRequest { tail: None, since: Some(since), ..self.request.clone() };
                self.seen = 0;
            }
        }
        Ok(())
    }

    async fn next(mut self) -> Option<(Result<LogFrame>, Option<Runs>)> {
        if !self.counted
            && let Err(error) = self.count_what_tail_leaves_out().await
        {
            return Some((Err(error), None));
        }
        loop {
            match self.log.next().await {
                Some(Ok(frame)) => {
                    self.seen += 1;
                    return Some((Ok(frame), Some(self)));
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None if self.last => return None,
                None => {}
            }
            if let Err(error) = self.leave_tail_behind().await {
                return Some((Err(error), None));
            }
            match self.engine.next_run(&self.id).await {
                Ok(Some(found)) => {
                    if self.run.is_some() && self.run == found.started {
                        if self.request.until.is_some() {
                            // The requested time has come, rather than the end of the run.
                            return None;
                        }
                        tokio::time::sleep(SAME_RUN).await;
                    }
                    self.run = found.started;
                }
                Ok(None) => self.last = true,
                Err(error) => return Some((Err(error), None)),
            }
            let again = LogRequest { follow: !self.last, ..self.request.clone() };
            self.log = Box::pin(self.engine.log_as_it_is(&self.id, &again).skip(self.seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_run_that_has_ended_is_before_docker_starts_the_next_one() {
        let ended =
            |finished| behind_run(&ContainerDetails { finished, ..ContainerDetails::default() });
        assert_eq!(ended(Some((10, 0))), Some((10, 90_000_000)));
        assert_eq!(ended(Some((10, 950_000_000))), Some((11, 40_000_000)));
        assert_eq!(ended(None), None);
    }

    #[test]
    fn last_lines_may_be_of_several_frames() {
        let ends = [true, false, false, true, true];
        for (lines, before) in [(0, 5), (1, 4), (2, 1), (3, 0), (4, 0), (u64::MAX, 0)] {
            assert_eq!(before_last(&ends, lines), before, "{lines}");
        }
        let open = [true, true, false, false];
        for (lines, before) in [(0, 4), (1, 2), (2, 1), (3, 0)] {
            assert_eq!(before_last(&open, lines), before, "{lines}");
        }
        assert_eq!(before_last(&[], 3), 0);
    }
}

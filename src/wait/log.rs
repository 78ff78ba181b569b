//! [`LogWait`]: waits for a text in the container's output.

use std::time::Duration;

use futures_util::StreamExt;
use regex::bytes::Regex;

use super::matcher::{Matcher, Pattern};
use super::{WaitFor, WaitFuture, WaitStrategy, WaitTarget};
use crate::engine::LogStream;
use crate::error::{Error, Result};

/// A wait for a text in the container's output; made by [`WaitFor::log`] and [`WaitFor::regex`].
///
/// The engine pushes the log. Only lines written since this start count, including those of runs
/// that a restart policy began since. A text is matched on the byte stream, regardless of how it is
/// split; a regular expression within lines (of at most 64 KiB).
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until a container is started with it"]
pub struct LogWait {
    pattern: Result<Pattern>,
    shown: String,
    times: u64,
    stream: Option<LogStream>,
}

impl LogWait {
    pub(super) fn text(text: Vec<u8>) -> Self {
        let shown = format!("log {:?}", String::from_utf8_lossy(&text));
        LogWait { pattern: Ok(Pattern::Text(text)), shown, times: 1, stream: None }
    }

    pub(super) fn regex(pattern: &str) -> Self {
        let compiled = Regex::new(pattern)
            .map(Pattern::Regex)
            .map_err(|error| Error::invalid("wait", error.to_string()));
        LogWait { pattern: compiled, shown: format!("log /{pattern}/"), times: 1, stream: None }
    }

    /// Sets how many times it must appear. Default: once. Overlapping matches count as one.
    pub fn with_times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Counts matches on standard output only.
    pub fn with_stdout_only(mut self) -> Self {
        self.stream = Some(LogStream::Stdout);
        self
    }

    /// Counts matches on standard error only.
    pub fn with_stderr_only(mut self) -> Self {
        self.stream = Some(LogStream::Stderr);
        self
    }

    /// Sets a limit for this condition alone.
    pub fn with_timeout(self, limit: Duration) -> WaitFor {
        WaitFor::from(self).with_timeout(limit)
    }

    async fn follow(&self, target: &WaitTarget, pattern: &Pattern) -> Result<()> {
        let mut request = target.log_request();
        request.stdout = self.stream != Some(LogStream::Stderr);
        request.stderr = self.stream != Some(LogStream::Stdout);
        let mut frames = match target.is_restarted() {
            true => target.client().log_of_all_runs(target.id(), &request),
            false => target.client().container_logs(target.id(), &request),
        };
        // Each stream has its own matcher: a match can't begin on one and end on the other.
        let (mut stdout, mut stderr) = (Matcher::new(pattern), Matcher::new(pattern));
        let (mut found, mut bytes) = (0, 0);
        while let Some(frame) = frames.next().await {
            let frame = frame?;
            let matcher = match frame.stream {
                LogStream::Stdout => &mut stdout,
                LogStream::Stderr => &mut stderr,
            };
            found += matcher.feed(&frame.bytes);
            bytes += frame.bytes.len();
            if found >= self.times {
                return Ok(());
            }
            target.seen_log(bytes, found, self.times);
        }
        // The log ends with the container.
        let code = target.client().wait_container(target.id()).await.ok();
        Err(target.ended(code))
    }
}

impl WaitStrategy for LogWait {
    fn fingerprint(&self) -> Option<String> {
        // The displayed text is lossy: different invalid UTF-8 looks the same there.
        let pattern = match &self.pattern {
            Ok(Pattern::Text(text)) => format!("text {text:?}"),
            Ok(Pattern::Regex(regex)) => format!("regex {:?}", regex.as_str()),
            Err(_) => return None,
        };
        Some(format!("log {pattern} {} {:?}", self.times, self.stream))
    }

    fn describe(&self) -> String {
        let times = if self.times == 1 { String::new() } else { format!(" {} times", self.times) };
        let stream = match self.stream {
            Some(LogStream::Stdout) => " on stdout",
            Some(LogStream::Stderr) => " on stderr",
            _ => "",
        };
        format!("{}{times}{stream}", self.shown)
    }

    fn check(&self) -> Result<()> {
        match &self.pattern {
            Err(error) => Err(error.clone()),
            Ok(Pattern::Text(text)) if text.is_empty() => {
                Err(Error::invalid("wait", "the log text to wait for is empty"))
            }
            Ok(_) if self.times == 0 => {
                Err(Error::invalid("wait", "a log text to appear 0 times needs no wait"))
            }
            Ok(_) => Ok(()),
        }
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            self.check()?;
            match &self.pattern {
                Ok(pattern) => self.follow(target, pattern).await,
                Err(_) => Ok(()),
            }
        })
    }

    fn sees_exit(&self) -> bool {
        true
    }
}

//! Frames to lines: each stream by itself, in bounded memory.

use std::collections::VecDeque;

use super::LogLine;
use crate::engine::{LogFrame, LogStream};

/// A line longer than this is cut.
const LINE_LIMIT: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    lines: VecDeque<LogLine>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl LineSplitter {
    pub(super) fn push(&mut self, frame: &LogFrame) {
        let rest = match frame.stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        let mut pieces = frame.bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let ended = pieces.peek().is_some();
            rest.extend_from_slice(piece);
            if ended || rest.len() > LINE_LIMIT {
                self.lines.push_back(LogLine::new(frame.stream, rest));
                rest.clear();
            }
        }
    }

    /// What is left without an end is a line as well.
    pub(super) fn finish(&mut self) {
        for (stream, rest) in
            [(LogStream::Stdout, &mut self.stdout), (LogStream::Stderr, &mut self.stderr)]
        {
            if !rest.is_empty() {
                self.lines.push_back(LogLine::new(stream, rest));
                rest.clear();
            }
        }
    }

    pub(super) fn next_line(&mut self) -> Option<LogLine> {
        self.lines.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_streams_apart() {
        let frame = |stream, text: &str| crate::engine::test_frame(stream, text.as_bytes());
        let mut splitter = LineSplitter::default();
        splitter.push(&frame(LogStream::Stdout, "one\r\ntw"));
        splitter.push(&frame(LogStream::Stderr, "oops\n"));
        splitter.push(&frame(LogStream::Stdout, "o\n\nend"));
        splitter.finish();
        let mut seen = Vec::new();
        while let Some(line) = splitter.next_line() {
            seen.push((line.stream == LogStream::Stderr, line.text));
        }
        let expected =
            [(false, "one"), (true, "oops"), (false, "two"), (false, ""), (false, "end")];
        assert_eq!(seen, expected.map(|(error, text)| (error, text.to_owned())));
    }
}

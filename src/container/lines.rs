//! Splitting of frames into lines: per stream, in bounded memory.

use std::collections::VecDeque;

use super::LogLine;
use crate::engine::{LogFrame, LogStream};

/// Limit for the bytes of a line; a longer one is split.
const LINE_LIMIT: usize = 1024 * 1024;

/// Returns where to split: at the limit, or before the character of at most four bytes that spans
/// it.
fn boundary(line: &[u8]) -> usize {
    let begins = |at: &usize| line[*at] & 0xc0 != 0x80;
    (LINE_LIMIT - 3..=LINE_LIMIT).rev().find(begins).unwrap_or(LINE_LIMIT)
}

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
            while rest.len() > LINE_LIMIT {
                let cut = boundary(rest);
                self.lines.push_back(LogLine::new(frame.stream, &rest[..cut]));
                rest.drain(..cut);
            }
            if ended {
                let line = rest.strip_suffix(b"\r").unwrap_or(rest);
                self.lines.push_back(LogLine::new(frame.stream, line));
                rest.clear();
            }
        }
    }

    /// Emits an unterminated rest as a line.
    pub(super) fn finish(&mut self) {
        for (stream, rest) in
            [(LogStream::Stdout, &mut self.stdout), (LogStream::Stderr, &mut self.stderr)]
        {
            if !rest.is_empty() {
                let line = rest.strip_suffix(b"\r").unwrap_or(rest);
                self.lines.push_back(LogLine::new(stream, line));
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

    #[test]
    fn a_long_line_is_cut_between_characters() {
        for (character, lead) in [("\u{e4}", 0), ("\u{e4}", 1), ("\u{20ac}", 2), ("\u{1f980}", 3)] {
            let text = format!("{}{}", "x".repeat(lead), character.repeat(700_000));
            let mut splitter = LineSplitter::default();
            for piece in text.as_bytes().chunks(16_383) {
                splitter.push(&crate::engine::test_frame(LogStream::Stdout, piece));
            }
            splitter.push(&crate::engine::test_frame(LogStream::Stdout, b"\n"));
            let mut lines = Vec::new();
            while let Some(line) = splitter.next_line() {
                assert!(line.text.len() <= LINE_LIMIT);
                lines.push(line.text);
            }
            assert!(lines.len() > 1 && lines.concat() == text, "{character} {lead}");
        }
    }
}

//! Counting of matches in a stream of bytes, across its pieces, in bounded memory.

use memchr::memmem;
use regex::bytes::Regex;

/// Limit for a line that a regular expression is matched on as a whole.
const LINE_LIMIT: usize = 64 * 1024;

/// The pattern to search for.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Text(Vec<u8>),
    Regex(Regex),
}

/// A counter of a pattern's matches in one stream.
#[derive(Debug)]
pub(super) enum Matcher {
    Text(Box<TextMatcher>),
    Regex(RegexMatcher),
}

impl Matcher {
    pub(super) fn new(pattern: &Pattern) -> Self {
        match pattern {
            Pattern::Text(text) => Matcher::Text(Box::new(TextMatcher {
                finder: memmem::Finder::new(text).into_owned(),
                carry: Vec::new(),
            })),
            Pattern::Regex(regex) => {
                Matcher::Regex(RegexMatcher { regex: regex.clone(), line: Vec::new(), counted: 0 })
            }
        }
    }

    /// Consumes the next piece and returns how many new matches it completes.
    pub(super) fn feed(&mut self, piece: &[u8]) -> u64 {
        match self {
            Matcher::Text(matcher) => matcher.feed(piece),
            Matcher::Regex(matcher) => matcher.feed(piece),
        }
    }
}

/// A counter of matches that don't overlap, like `str::matches`.
#[derive(Debug)]
pub(super) struct TextMatcher {
    finder: memmem::Finder<'static>,
    /// The end of the input so far, shorter than the text and after the last match.
    carry: Vec<u8>,
}

impl TextMatcher {
    fn feed(&mut self, piece: &[u8]) -> u64 {
        let length = self.finder.needle().len();
        if length == 0 {
            return 1;
        }
        let mut count = 0;
        let mut from = 0;
        if !self.carry.is_empty() {
            // A match that begins in the carry ends within `length - 1` bytes of the piece.
            let carried = self.carry.len();
            let reach = piece.len().min(length - 1);
            self.carry.extend_from_slice(&piece[..reach]);
            if let Some(at) = self.finder.find(&self.carry) {
                count += 1;
                from = at + length - carried;
                self.carry.clear();
            } else if reach == piece.len() {
                let excess = self.carry.len().saturating_sub(length - 1);
                self.carry.drain(..excess);
                return 0;
            }
        }
        let rest = &piece[from..];
        let mut end = 0;
        for at in self.finder.find_iter(rest) {
            count += 1;
            end = at + length;
        }
        let keep = rest.len().saturating_sub(length - 1).max(end);
        self.carry.clear();
        self.carry.extend_from_slice(&rest[keep..]);
        count
    }
}

/// A counter of matches within lines. Matches in an unfinished line count at once, and not twice.
#[derive(Debug)]
pub(super) struct RegexMatcher {
    regex: Regex,
    line: Vec<u8>,
    /// The number of matches already counted in the unfinished line.
    counted: u64,
}

impl RegexMatcher {
    fn feed(&mut self, piece: &[u8]) -> u64 {
        let mut count = 0;
        let mut rest = piece;
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(newline);
            if self.line.is_empty() && line.len() <= LINE_LIMIT {
                count += self.fresh(line);
            } else {
                self.extend(line, &mut count);
                count += self.unfinished();
            }
            self.line.clear();
            self.counted = 0;
            rest = &behind[1..];
        }
        self.extend(rest, &mut count);
        count + self.unfinished()
    }

    fn extend(&mut self, bytes: &[u8], count: &mut u64) {
        for part in bytes.chunks(LINE_LIMIT) {
            if self.line.len() + part.len() > LINE_LIMIT {
                *count += self.unfinished();
                self.line.clear();
                self.counted = 0;
            }
            self.line.extend_from_slice(part);
        }
    }

    /// Returns the number of new matches in the unfinished line.
    fn unfinished(&mut self) -> u64 {
        if self.line.is_empty() {
            return 0;
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let all = self.regex.find_iter(line).count() as u64;
        let new = all.saturating_sub(self.counted);
        self.counted = self.counted.max(all);
        new
    }

    fn fresh(&self, line: &[u8]) -> u64 {
        self.regex.find_iter(line.strip_suffix(b"\r").unwrap_or(line)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(needle: &str) -> Matcher {
        Matcher::new(&Pattern::Text(needle.into()))
    }

    fn regex(pattern: &str) -> Matcher {
        Matcher::new(&Pattern::Regex(Regex::new(pattern).unwrap()))
    }

    fn count(mut matcher: Matcher, pieces: &[&str]) -> u64 {
        pieces.iter().map(|piece| matcher.feed(piece.as_bytes())).sum()
    }

    #[test]
    fn a_text_is_found_across_pieces_and_lines() {
        assert_eq!(count(text("is ready"), &["server is re", "ady\n"]), 1);
        assert_eq!(count(text("a\nb"), &["a", "\n", "b"]), 1);
        assert_eq!(count(text("aa"), &["a", "a", "a", "a"]), 2);
        assert_eq!(count(text("x"), &["xx", "", "x"]), 3);
        assert_eq!(count(text("ready"), &["rea", "rea", "dy"]), 1);
    }

    #[test]
    fn a_regex_sees_lines_and_prompts_without_an_end() {
        assert_eq!(count(regex("^ready$"), &["rea", "dy\r", "\nnot ready\n"]), 1);
        assert_eq!(count(regex("login: $"), &["log", "in: "]), 1);
        assert_eq!(count(regex("a"), &["a", "b", "a\n", "a"]), 3);
        assert_eq!(count(regex("a.b"), &["a\nb"]), 0);
    }

    #[test]
    fn an_endless_line_stays_within_the_limit() {
        let mut matcher = regex("needle");
        for _ in 0..100 {
            assert_eq!(matcher.feed(&[b'x'; 10_000]), 0);
        }
        let Matcher::Regex(inner) = &matcher else { unreachable!() };
        assert!(inner.line.len() <= LINE_LIMIT);
        assert_eq!(matcher.feed(b" needle\n"), 1);
    }

    proptest! {
        /// The count does not depend on how the bytes are split.
        #[test]
        fn cuts_do_not_matter(hay in "[ab\n]{0,60}", needle in "[ab\n]{1,4}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.min(hay.len())).collect();
            at.push(0);
            at.push(hay.len());
            at.sort_unstable();
            let pieces: Vec<&str> = at.windows(2).map(|pair| &hay[pair[0]..pair[1]]).collect();
            prop_assert_eq!(count(text(&needle), &pieces), hay.matches(&needle).count() as u64);
            let lines: usize = hay.split('\n').map(|line| line.matches("ab").count()).sum();
            prop_assert_eq!(count(regex("ab"), &pieces), lines as u64);
        }
    }
}

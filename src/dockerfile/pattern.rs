//! [`Pattern`]: the pattern of a `#`, `%` or `/` in a variable's braces.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

use crate::error::{Error, ErrorKind, Result};

/// A shell pattern, of which Docker knows `*`, `?` and the backslash.
///
/// It is compiled to a regular expression, as the engine does, so that the time of a search grows
/// with the text only, whatever the pattern.
pub(super) struct Pattern(Vec<Item>);

#[derive(Clone, Copy)]
enum Item {
    Any,
    One,
    Char(char),
}

/// Limit for the memory of a compiled pattern, in bytes.
const SIZE_LIMIT: usize = 64 << 20;

impl Pattern {
    pub(super) fn new(pattern: &str) -> Pattern {
        let mut chars = pattern.chars();
        let mut items = Vec::new();
        while let Some(char) = chars.next() {
            items.push(match char {
                '*' => Item::Any,
                '?' => Item::One,
                '\\' => Item::Char(chars.next().unwrap_or('\\')),
                char => Item::Char(char),
            });
        }
        Pattern(items)
    }

    /// Returns the text without the matching beginning.
    pub(super) fn trim_start<'a>(&self, text: &'a str, longest: bool) -> Result<&'a str> {
        let expression = expression(self.0.iter().copied(), longest, true)?;
        let end = expression.find(text).map_or(0, |found| found.end());
        Ok(&text[end..])
    }

    /// Returns the text without the matching end.
    pub(super) fn trim_end<'a>(&self, text: &'a str, longest: bool) -> Result<&'a str> {
        // The end of the text is the beginning of the reversed text.
        let expression = expression(self.0.iter().rev().copied(), longest, true)?;
        let backwards: String = text.chars().rev().collect();
        let matched = expression.find(&backwards).map_or(0, |found| found.end());
        Ok(&text[..text.len() - matched])
    }

    /// Replaces the first match, or all of them. At each place the longest match counts. An empty
    /// pattern matches before each character and at the end, as in BuildKit.
    pub(super) fn replace(&self, text: &str, with: &str, all: bool) -> Result<String> {
        let expression = expression(self.0.iter().copied(), true, false)?;
        let matches = expression.find_iter(text);
        let (mut result, mut rest) = (String::new(), 0);
        for found in matches.take(if all { usize::MAX } else { 1 }) {
            result.push_str(&text[rest..found.start()]);
            result.push_str(with);
            rest = found.end();
        }
        result.push_str(&text[rest..]);
        Ok(result)
    }
}

/// Compiles a pattern. With a greedy `*` the match is the longest one, since all after the last `*`
/// has a fixed length; with a lazy one it is the shortest.
fn expression(items: impl Iterator<Item = Item>, longest: bool, start: bool) -> Result<Regex> {
    let mut text = String::from(if start { "(?s)^" } else { "(?s)" });
    for item in items {
        match item {
            Item::Any if longest => text.push_str(".*"),
            Item::Any => text.push_str(".*?"),
            Item::One => text.push('.'),
            Item::Char(char) if char.is_alphanumeric() => text.push(char),
            Item::Char(char) => {
                let _ = write!(text, "\\x{{{:x}}}", u32::from(char));
            }
        }
    }
    RegexBuilder::new(&text).size_limit(SIZE_LIMIT).build().map_err(|error| {
        let message = "the pattern of a variable is too long to be searched for";
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_match_at_the_first_place_is_replaced() {
        let replace = |pattern: &str, text, all| Pattern::new(pattern).replace(text, "-", all);
        for (pattern, text, first, every) in [
            ("b", "abcb", "a-cb", "a-c-"),
            ("b*c", "abxcxcb", "a-b", "a-b"),
            ("*", "abc", "-", "-"),
            ("", "abc", "-abc", "-a-b-c-"),
            ("", "", "-", "-"),
            ("*", "", "-", "-"),
            ("?", "a\nb", "-\nb", "---"),
            ("\\*", "a*b*", "a-b*", "a-b-"),
            ("é.", "aé.b", "a-b", "a-b"),
        ] {
            assert_eq!(replace(pattern, text, false).unwrap(), first, "{pattern} {text}");
            assert_eq!(replace(pattern, text, true).unwrap(), every, "{pattern} {text}");
        }
    }

    /// Took eleven seconds at a tenth of these sizes when each end of each match was tried.
    #[test]
    fn long_texts_are_searched_at_once() {
        let text = "a".repeat(65_000);
        for pattern in ["b", "*b", "a*b", "a"] {
            let replaced = Pattern::new(pattern).replace(&text, "c", true).unwrap();
            assert_eq!(replaced.contains('c'), pattern == "a");
        }
        assert_eq!(Pattern::new("*b").trim_start(&text, true).unwrap(), text);
        assert_eq!(Pattern::new("b*").trim_end(&text, false).unwrap(), text);
        let long = "?".repeat(65_000);
        assert_eq!(Pattern::new(&long).trim_start(&text, true).unwrap(), "");
    }

    /// Returns whether the pattern matches the whole text, by its definition.
    fn matches(pattern: &[Item], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([Item::Any, rest @ ..], text) => {
                (0..=text.len()).any(|skipped| matches(rest, &text[skipped..]))
            }
            ([Item::One, rest @ ..], [_, text @ ..]) => matches(rest, text),
            ([Item::Char(char), rest @ ..], [first, text @ ..]) => {
                char == first && matches(rest, text)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn trims_are_the_longest_and_the_shortest_there_are(
            pattern in "[ab*?]{0,6}", text in "[abé]{0,8}",
        ) {
            let pattern = Pattern::new(&pattern);
            let chars: Vec<char> = text.chars().collect();
            let starts: Vec<usize> =
                (0..=chars.len()).filter(|end| matches(&pattern.0, &chars[..*end])).collect();
            let ends: Vec<usize> =
                (0..=chars.len()).rev().filter(|start| matches(&pattern.0, &chars[*start..])).collect();
            let from = |start: Option<&usize>| chars[*start.unwrap_or(&0)..].iter().collect::<String>();
            let to = |end: Option<&usize>| {
                chars[..*end.unwrap_or(&chars.len())].iter().collect::<String>()
            };
            prop_assert_eq!(pattern.trim_start(&text, false).unwrap(), from(starts.first()));
            prop_assert_eq!(pattern.trim_start(&text, true).unwrap(), from(starts.last()));
            prop_assert_eq!(pattern.trim_end(&text, false).unwrap(), to(ends.first()));
            prop_assert_eq!(pattern.trim_end(&text, true).unwrap(), to(ends.last()));
        }
    }
}

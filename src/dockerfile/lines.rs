//! Logical lines: directives, comments, continuations and heredocs.
//!
//! The rules are those of BuildKit's line parser, old and new.

use std::collections::HashMap;

use super::Heredoc;
use super::diagnostic::{Diagnostic, Span};
use super::heredoc::{HeredocWord, heredoc_words, name_after_dash};

/// The logical lines of a Dockerfile, before its instructions are read.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) syntax: Option<String>,
    pub(super) escape: Option<char>,
    pub(super) check: Option<String>,
    pub(super) lines: Vec<Line>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// An instruction's text without continuations, and the heredocs that follow it.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) span: Span,
}

/// The lines of a text with their places, line ends included.
struct Physical<'a> {
    rest: &'a str,
    offset: usize,
    number: usize,
    /// Offset of the last line with a given text; computed when it is first needed.
    last: Option<HashMap<&'a str, usize>>,
}

impl<'a> Physical<'a> {
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.offset += end;
        self.number += 1;
        Some(line)
    }

    /// Returns whether a line that ends a heredoc is still to come. Costs one look-up, as a text
    /// may ask thousands of times.
    fn has_end(&mut self, word: &HeredocWord) -> bool {
        let (rest, offset) = (self.rest, self.offset);
        let last = self.last.get_or_insert_with(|| {
            let mut last = HashMap::new();
            let mut start = offset;
            for line in rest.split_inclusive('\n') {
                let text = trim_end_of_line(line);
                last.insert(text, start);
                start += line.len();
            }
            last
        });
        last.get(word.name.as_str()).is_some_and(|start| *start >= offset)
    }
}

pub(super) fn read(text: &str) -> Lines {
    let mut lines = Lines::default();
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    lines.too_long(text);
    let mut physical =
        Physical { rest: body, offset: text.len() - body.len(), number: 0, last: None };
    let mut directives = true;
    loop {
        let start = (physical.offset, physical.number + 1);
        let Some(raw) = physical.next() else { break };
        let line = trim_end_of_line(raw).trim_start();
        if directives {
            let span = Span::new(start.0..physical.offset, start.1..=start.1);
            directives = lines.directive(line, span);
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let escape = lines.escape.unwrap_or('\\');
        let (text, blank) = join(line, escape, &mut physical);
        let mut span = Span::new(start.0..physical.offset, start.1..=physical.number);
        if blank {
            let message = "an empty line within an instruction, which is deprecated";
            lines.diagnostics.push(Diagnostic::warning(span.clone(), message));
        }
        if text.trim().is_empty() {
            let message = "an escape character with no instruction after it";
            lines.diagnostics.push(Diagnostic::error(span, message));
            continue;
        }
        let heredocs = lines.heredocs(&text, escape, &mut physical, &span);
        span = Span::new(start.0..physical.offset, start.1..=physical.number);
        lines.lines.push(Line { text, heredocs, span });
    }
    lines
}

/// Joins a line and its continuations. Returns whether one of them was empty.
fn join(first: &str, escape: char, physical: &mut Physical<'_>) -> (String, bool) {
    let mut blank = false;
    let (mut text, mut goes_on) = match continued(first, escape) {
        Some(text) => (text.to_owned(), true),
        None => (first.to_owned(), false),
    };
    while goes_on {
        let Some(raw) = physical.next() else { break };
        let line = trim_end_of_line(raw);
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') {
            continue;
        }
        if trimmed.is_empty() {
            blank = true;
            continue;
        }
        match continued(line, escape) {
            Some(line) => text.push_str(line),
            None => {
                text.push_str(line);
                goes_on = false;
            }
        }
    }
    (text, blank)
}

/// Returns the line without the escape at its end, if the next line continues it.
///
/// Two escapes at the end are an escaped escape.
pub(super) fn continued(line: &str, escape: char) -> Option<&str> {
    let text = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    if text.ends_with(escape) { None } else { Some(text) }
}

pub(super) fn trim_end_of_line(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

impl Lines {
    /// Reports lines that don't fit the engine's line buffer of 64 KiB.
    fn too_long(&mut self, text: &str) {
        let mut start = 0;
        for (number, line) in text.split('\n').enumerate() {
            if line.len() > 65535 {
                let span = Span::new(start..start + line.len(), number + 1..=number + 1);
                self.diagnostics.push(Diagnostic::error(span, "a line of more than 65535 bytes"));
            }
            start += line.len() + 1;
        }
    }

    /// Takes a line as a directive. Returns whether the next one may be a directive too.
    fn directive(&mut self, line: &str, span: Span) -> bool {
        let Some(text) = line.strip_prefix('#') else { return false };
        let Some((key, value)) = text.split_once('=') else { return false };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let known = matches!(key.as_str(), "syntax" | "escape" | "check");
        if !known || value.is_empty() {
            return false;
        }
        let mut problem = |message: String| {
            self.diagnostics.push(Diagnostic::error(span.clone(), message));
        };
        let twice = match key.as_str() {
            "syntax" => self.syntax.replace(value.to_owned()).is_some(),
            "check" => self.check.replace(value.to_owned()).is_some(),
            _ => match value {
                "\\" => self.escape.replace('\\').is_some(),
                "`" => self.escape.replace('`').is_some(),
                _ => {
                    problem(format!(
                        "the escape character is a backslash or a backtick, not `{value}`"
                    ));
                    false
                }
            },
        };
        if twice {
            problem(format!("the directive `{key}` is there twice"));
        }
        true
    }

    fn heredocs(
        &mut self,
        text: &str,
        escape: char,
        physical: &mut Physical<'_>,
        span: &Span,
    ) -> Vec<Heredoc> {
        if !text.contains("<<") || !may_have_heredocs(text, escape) {
            return Vec::new();
        }
        if let Some(name) = name_after_dash(text) {
            let message = format!(
                "`<<- {name}` is no heredoc, as a blank follows the dash: write `<<-{name}`"
            );
            self.diagnostics.push(Diagnostic::warning(span.clone(), message));
        }
        let mut heredocs = Vec::new();
        for word in heredoc_words(text) {
            // With a blank before its name this is a heredoc only since BuildKit 0.22, and may be
            // meant as a shift by older rules; then nothing ends it.
            if word.blank && !physical.has_end(&word) {
                continue;
            }
            let mut content = String::new();
            let mut ended = false;
            while let Some(line) = physical.next() {
                if word.is_end(line) {
                    ended = true;
                    break;
                }
                content.push_str(line);
            }
            if !ended {
                let span = Span::new(span.bytes().start..physical.offset, span.lines());
                let message = format!("the heredoc `{}` is never ended", word.name);
                self.diagnostics.push(Diagnostic::error(span, message));
            }
            let HeredocWord { name, expand, strip_tabs, .. } = word;
            heredocs.push(Heredoc { name, content, expand, strip_tabs });
        }
        heredocs
    }
}

/// Returns whether an instruction may have heredocs: only these three, and not in their exec form.
fn may_have_heredocs(text: &str, escape: char) -> bool {
    let (keyword, rest) = keyword(text);
    match keyword.to_ascii_uppercase().as_str() {
        "ONBUILD" => !keyword_is_onbuild(rest) && may_have_heredocs(rest, escape),
        "RUN" | "COPY" | "ADD" => {
            let (_, rest) = super::flags::split(rest, escape);
            super::json::read(rest).is_none()
        }
        _ => false,
    }
}

fn keyword_is_onbuild(text: &str) -> bool {
    keyword(text).0.eq_ignore_ascii_case("ONBUILD")
}

/// Splits an instruction into its first word and the rest.
pub(super) fn keyword(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.find(['\t', '\u{b}', '\u{c}', '\r', ' ']) {
        Some(end) => (&text[..end], text[end..].trim()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        read(text).lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_joined_as_the_engine_joins_them() {
        for (text, lines) in [
            ("\u{feff}FROM a\r\nRUN b\r\n", vec!["FROM a", "RUN b"]),
            ("RUN a \\\n  b", vec!["RUN a   b"]),
            ("RUN a \\  \n# no\n  # no\n\n b\nRUN c", vec!["RUN a  b", "RUN c"]),
            ("RUN a \\\\\nRUN b", vec!["RUN a \\\\", "RUN b"]),
            ("RUN a \\", vec!["RUN a "]),
            ("\\\n\\\n# no\n", vec![]),
            ("# escape=`\nRUN a `\n b\\\nRUN c", vec!["RUN a  b\\", "RUN c"]),
            ("  # no\n  RUN a # b\n", vec!["RUN a # b"]),
        ] {
            assert_eq!(texts(text), lines, "{text:?}");
        }
    }

    #[test]
    fn long_lines_and_lost_escapes_are_errors() {
        let long = format!("# {}\nFROM a", "x".repeat(65_533));
        assert!(read(&long).diagnostics.is_empty());
        let longer = format!("FROM a\n# {}", "x".repeat(65_534));
        assert_eq!(read(&longer).diagnostics[0].span.lines(), 2..=2);
        for lost in ["FROM a\n\\", "FROM a\n\\\n# no\n"] {
            assert_eq!(read(lost).diagnostics.len(), 1, "{lost}");
        }
    }

    #[test]
    fn directives_come_first() {
        let lines = read("#Escape = ` \n# syntax=a/b:1\n#check=skip=all\n# escape=\\\nFROM x");
        assert_eq!(lines.escape, Some('\\'));
        assert_eq!(lines.syntax.as_deref(), Some("a/b:1"));
        assert_eq!(lines.check.as_deref(), Some("skip=all"));
        assert_eq!(lines.diagnostics.len(), 1);
        assert_eq!(read("# a comment\n# escape=`\nFROM x").escape, None);
        assert_eq!(read("\n# escape=`\nFROM x").escape, None);
        assert_eq!(read("# unknown=1\n# escape=`\nFROM x").escape, None);
    }

    #[test]
    fn heredocs_follow_their_instruction() {
        let lines = read("RUN cat <<A >/a && cat <<-'B C' >/b\n1\nA\n\t2\n\tB C\nRUN x <<<y\n");
        let found: Vec<_> = lines.lines[0]
            .heredocs
            .iter()
            .map(|h| (h.name.as_str(), h.content.as_str(), h.expand, h.strip_tabs))
            .collect();
        assert_eq!(found, [("A", "1\n", true, false), ("B C", "\t2\n", false, true)]);
        assert_eq!(lines.lines.len(), 2);
        assert!(lines.lines[1].heredocs.is_empty());
        for none in ["CMD cat <<EOF", "RUN [\"a\", \"<<EOF\"]", "RUN echo 'a <<EOF'", "RUN a<<EOF"]
        {
            assert!(read(none).lines[0].heredocs.is_empty(), "{none}");
        }
        assert_eq!(read("ONBUILD RUN <<EOF\na\nEOF\n").lines[0].heredocs.len(), 1);
        assert_eq!(read("RUN <<EOF\na\n").diagnostics.len(), 1);
        let blank = read("RUN cat << 'A' >/a\n1\nA\nRUN echo $((1 << 4))\n");
        assert_eq!(blank.lines[0].heredocs[0].content, "1\n");
        assert!(blank.lines[1].heredocs.is_empty() && blank.diagnostics.is_empty());
    }
}

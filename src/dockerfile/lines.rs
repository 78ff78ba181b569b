//! Logical lines: directives, comments, continuations and heredocs.
//!
//! The rules are those of BuildKit's line parser, old and new.

use super::Heredoc;
use super::diagnostic::{Diagnostic, Span};

/// What a Dockerfile's text falls into, before its instructions are looked at.
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
}

pub(super) fn read(text: &str) -> Lines {
    let mut lines = Lines::default();
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut physical = Physical { rest: body, offset: text.len() - body.len(), number: 0 };
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
            continue;
        }
        let heredocs = lines.heredocs(&text, &mut physical, &span);
        span = Span::new(start.0..physical.offset, start.1..=physical.number);
        lines.lines.push(Line { text, heredocs, span });
    }
    lines
}

/// Puts a line and its continuations together; says whether one of them was empty.
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

/// The line without the escape at its end, if the next one belongs to it.
///
/// Two escapes at the end are an escaped escape.
fn continued(line: &str, escape: char) -> Option<&str> {
    let text = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    if text.ends_with(escape) { None } else { Some(text) }
}

fn trim_end_of_line(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

impl Lines {
    /// Takes a line as a directive; says whether the next one may be one.
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

    fn heredocs(&mut self, text: &str, physical: &mut Physical<'_>, span: &Span) -> Vec<Heredoc> {
        if !text.contains("<<") || !may_have_heredocs(text) {
            return Vec::new();
        }
        let mut heredocs = Vec::new();
        for word in heredoc_words(text) {
            let mut content = String::new();
            let mut ended = false;
            while let Some(line) = physical.next() {
                let mut end = trim_end_of_line(line);
                if word.strip_tabs {
                    end = end.trim_start_matches('\t');
                }
                if end == word.name {
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
            let HeredocWord { name, expand, strip_tabs } = word;
            heredocs.push(Heredoc { name, content, expand, strip_tabs });
        }
        heredocs
    }
}

/// Only these instructions have heredocs, and not in their exec form.
fn may_have_heredocs(text: &str) -> bool {
    let (keyword, rest) = keyword(text);
    match keyword.to_ascii_uppercase().as_str() {
        "ONBUILD" => !keyword_is_onbuild(rest) && may_have_heredocs(rest),
        "RUN" | "COPY" | "ADD" => {
            let (_, rest) = super::flags::split(rest);
            super::json::read(rest).is_none()
        }
        _ => false,
    }
}

fn keyword_is_onbuild(text: &str) -> bool {
    keyword(text).0.eq_ignore_ascii_case("ONBUILD")
}

/// The first word of an instruction, and the rest.
pub(super) fn keyword(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.find(['\t', '\u{b}', '\u{c}', '\r', ' ']) {
        Some(end) => (&text[..end], text[end..].trim()),
        None => (text, ""),
    }
}

/// A word such as `<<EOF`, `<<-"EOF"` or `3<<EOF`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeredocWord {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) strip_tabs: bool,
}

/// The heredocs that an instruction names, in order. Where its quotes don't match, none.
pub(super) fn heredoc_words(text: &str) -> Vec<HeredocWord> {
    raw_words(text).unwrap_or_default().iter().filter_map(|word| heredoc_word(word)).collect()
}

pub(super) fn heredoc_word(word: &str) -> Option<HeredocWord> {
    let rest = word.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let mut name = String::new();
    let mut quote = None;
    let mut quoted = false;
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\'' | '"', None) => (quote, quoted) = (Some(char), true),
            (char, Some(open)) if char == open => quote = None,
            ('\\', None | Some('"')) => {
                quoted = true;
                name.extend(chars.next());
            }
            (char, _) => name.push(char),
        }
    }
    let whole = quote.is_none() && !name.is_empty();
    whole.then_some(HeredocWord { name, expand: !quoted, strip_tabs })
}

/// The words of a line with their quotes and escapes, or nothing where a quote is left open.
fn raw_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            (char, None) if char.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            ('\\', None | Some('"')) => {
                word.push(char);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(char);
    }
    if !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
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
            ("# escape=`\nRUN a `\n b\\\nRUN c", vec!["RUN a  b\\", "RUN c"]),
            ("  # no\n  RUN a # b\n", vec!["RUN a # b"]),
        ] {
            assert_eq!(texts(text), lines, "{text:?}");
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
        assert!(heredoc_word("<<").is_none() && heredoc_word("3<<E").is_some());
    }
}

//! [`Heredoc`]: text that follows an instruction, and the words that name it there.
//!
//! The rules are those of BuildKit's parser, which finds the words with its shell lexer.

use std::iter::Peekable;
use std::str::Chars;

use super::lex::MAX_DEPTH;
use super::lines::trim_end_of_line;

/// A text that follows a `RUN`, `COPY` or `ADD` (Dockerfile 1.4: "Here-documents").
///
/// Needs an engine of API 1.42 or newer (Docker 23) with BuildKit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Heredoc {
    /// The word that begins and ends it; also the name of the file, if it is a source of a `COPY`
    /// whose destination is a directory.
    pub name: String,
    /// The text, each line with its line end.
    pub content: String,
    /// Whether variables in the text are replaced, which a quoted name prevents. Default: yes.
    pub expand: bool,
    /// Whether tabs at the beginning of lines are removed (`<<-`). Default: no.
    pub strip_tabs: bool,
}

impl Heredoc {
    /// Creates a text in which variables are replaced.
    ///
    /// The last line gets a line end if it has none. A name that is also a line of the text gets
    /// underscores appended until it is not.
    pub fn new(name: impl Into<String>, content: impl Into<String>) -> Heredoc {
        let (mut name, mut content) = (name.into(), content.into());
        if !content.is_empty() && !content.ends_with('\n') {
            content.push('\n');
        }
        while content.lines().any(|line| line == name) {
            name.push('_');
        }
        Heredoc { name, content, expand: true, strip_tabs: false }
    }

    /// Keeps variables in the text from being replaced.
    #[must_use]
    pub fn literal(mut self) -> Heredoc {
        self.expand = false;
        self
    }

    /// Returns the word that names it in its instruction.
    pub(super) fn word(&self) -> String {
        let dash = if self.strip_tabs { "-" } else { "" };
        let plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/');
        if self.name.chars().all(plain) {
            let quote = if self.expand { "" } else { "'" };
            return format!("<<{dash}{quote}{}{quote}", self.name);
        }
        // Escapes alone don't keep the text from being expanded; a pair of quotes does.
        let mut word = format!("<<{dash}{}", if self.expand { "" } else { "''" });
        for char in self.name.chars() {
            if !plain(char) {
                word.push('\\');
            }
            word.push(char);
        }
        word
    }

    /// Returns whether it can be written, and is read back unchanged.
    pub(super) fn is_writable(&self) -> bool {
        let word = HeredocWord {
            name: self.name.clone(),
            expand: self.expand,
            strip_tabs: self.strip_tabs,
            blank: false,
        };
        heredoc_words(&self.word()) == [&word]
            && !self.name.contains(['\n', '\r'])
            && (self.content.is_empty() || self.content.ends_with('\n'))
            && !self.content.split_inclusive('\n').any(|line| word.is_end(line))
    }

    /// Returns the text that the engine takes: the content, without leading tabs if they are
    /// stripped.
    #[must_use]
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// A word such as `<<EOF`, `<<-"EOF"` or `3<<EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeredocWord {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) strip_tabs: bool,
    /// Whether there are blanks before the name.
    pub(super) blank: bool,
}

impl HeredocWord {
    /// Returns whether a line, with or without its line end, ends the text.
    pub(super) fn is_end(&self, line: &str) -> bool {
        let line = trim_end_of_line(line);
        self.name == if self.strip_tabs { line.trim_start_matches('\t') } else { line }
    }
}

impl PartialEq<&HeredocWord> for HeredocWord {
    fn eq(&self, other: &&HeredocWord) -> bool {
        self == *other
    }
}

/// Returns the heredocs that an instruction names, in order; none if quotes or braces don't match.
pub(super) fn heredoc_words(text: &str) -> Vec<HeredocWord> {
    let words = Words::split(text).unwrap_or_default();
    words.iter().filter_map(|word| heredoc_word(word)).collect()
}

/// Returns the word after a `<<-` that stands alone: meant as a heredoc's name, but no engine reads
/// it so.
pub(super) fn name_after_dash(text: &str) -> Option<String> {
    let words = Words::split(text)?;
    let alone =
        |word: &String| word.trim_start_matches(|char: char| char.is_ascii_digit()) == "<<-";
    let at = words.iter().position(alone)?;
    words.into_iter().nth(at + 1)
}

pub(super) fn heredoc_word(word: &str) -> Option<HeredocWord> {
    let rest = word.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let trimmed = rest.trim_start();
    let blank = trimmed.len() < rest.len();
    if trimmed.is_empty() || trimmed.contains('<') {
        return None;
    }
    let mut name = String::new();
    let mut quote = None;
    let mut quoted = false;
    let mut chars = trimmed.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\'' | '"', None) => (quote, quoted) = (Some(char), true),
            (char, Some(open)) if char == open => quote = None,
            // Only quotes keep the text from being expanded.
            ('\\', None) => name.extend(chars.next()),
            ('\\', Some('"')) => match chars.next() {
                Some(next @ ('"' | '$' | '\\')) => name.push(next),
                next => name.extend([char].into_iter().chain(next)),
            },
            // A name is taken literally, but a word with a variable that has a modifier is no
            // heredoc.
            ('$', None | Some('"')) if has_modifier(chars.as_str()) => return None,
            (char, _) => name.push(char),
        }
    }
    let whole = quote.is_none() && !name.is_empty();
    whole.then_some(HeredocWord { name, expand: !quoted, strip_tabs, blank })
}

/// Returns whether the text after a dollar is a variable in braces with more than a name in them.
fn has_modifier(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.split('}').next());
    inner.is_some_and(|inner| !inner.chars().all(|char| char.is_alphanumeric() || char == '_'))
}

/// A splitter of a line at blanks, which leaves quotes, escapes and variables as they are.
struct Words<'a> {
    chars: Peekable<Chars<'a>>,
    words: Vec<String>,
    word: String,
    /// The number of open modifiers.
    depth: usize,
}

impl Words<'_> {
    /// Returns `None` where a quote or a brace is left open, where a variable's modifier is
    /// unknown, and where variables are nested too deep.
    fn split(text: &str) -> Option<Vec<String>> {
        let chars = text.chars().peekable();
        let mut words = Words { chars, words: Vec::new(), word: String::new(), depth: 0 };
        while let Some(char) = words.chars.next() {
            match char {
                '\'' => {
                    words.word.push(char);
                    words.until('\'')?;
                }
                '"' => {
                    words.word.push(char);
                    words.double_quoted()?;
                }
                '$' => words.dollar()?,
                '\\' => {
                    words.word.push(char);
                    words.word.extend(words.chars.next());
                }
                '<' => words.less(),
                char => words.plain(char),
            }
        }
        if !words.word.is_empty() {
            words.words.push(words.word);
        }
        Some(words.words)
    }

    fn plain(&mut self, char: char) {
        if !char.is_whitespace() {
            self.word.push(char);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    /// Reads `<` or the beginning of a heredoc. Blanks after `<<` belong to the word, as in
    /// BuildKit 0.22 and newer; blanks after `<<-` end it, in every version.
    fn less(&mut self) {
        self.word.push('<');
        if self.chars.next_if_eq(&'<').is_some() {
            self.word.push('<');
            if let Some(dash) = self.chars.next_if_eq(&'-') {
                self.word.push(dash);
                return;
            }
            while let Some(blank) = self.chars.next_if(|char| char.is_whitespace()) {
                self.word.push(blank);
            }
        }
    }

    fn until(&mut self, end: char) -> Option<()> {
        loop {
            let char = self.chars.next()?;
            self.word.push(char);
            if char == end {
                return Some(());
            }
        }
    }

    fn double_quoted(&mut self) -> Option<()> {
        loop {
            match self.chars.next()? {
                '"' => break self.word.push('"'),
                '$' => self.dollar()?,
                '\\' => {
                    self.word.push('\\');
                    self.word.push(self.chars.next()?);
                }
                char => self.word.push(char),
            }
        }
        Some(())
    }

    /// Reads a variable, of which only the braces matter.
    fn dollar(&mut self) -> Option<()> {
        self.word.push('$');
        if self.chars.next_if_eq(&'{').is_none() {
            return Some(());
        }
        self.word.push('{');
        if matches!(self.chars.peek()?, '{' | '}' | ':') {
            return None;
        }
        let is_name = |char: &char| char.is_alphanumeric() || *char == '_';
        if let Some(special) = self.chars.next_if(|char| "@*#?-$!".contains(*char)) {
            self.word.push(special);
        } else {
            while let Some(char) = self.chars.next_if(is_name) {
                self.word.push(char);
            }
        }
        let mut sign = self.chars.next()?;
        self.word.push(sign);
        if sign == ':' {
            sign = self.chars.next().filter(|sign| !matches!(sign, '#' | '%'))?;
            self.word.push(sign);
        }
        match sign {
            '}' => Some(()),
            '+' | '-' | '?' | '#' | '%' => self.braced('}'),
            '/' => {
                if self.chars.next_if_eq(&'/').is_some() {
                    self.word.push('/');
                }
                self.braced('/')?;
                self.braced('}')
            }
            _ => None,
        }
    }

    fn braced(&mut self, end: char) -> Option<()> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        loop {
            match self.chars.next()? {
                char if char == end => {
                    self.word.push(char);
                    self.depth -= 1;
                    return Some(());
                }
                '\'' => {
                    self.word.push('\'');
                    self.until('\'')?;
                }
                '"' => {
                    self.word.push('"');
                    self.double_quoted()?;
                }
                '$' => self.dollar()?,
                '\\' => {
                    self.word.push('\\');
                    self.word.extend(self.chars.next());
                }
                char => self.plain(char),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_the_engine_finds_them() {
        for (text, names) in [
            ("RUN <<EOF", vec!["EOF"]),
            ("RUN 3<<-\"E F\" x", vec!["E F"]),
            ("RUN <<", vec![]),
            ("RUN <<- EOF", vec![]),
            ("RUN << -EOF", vec!["-EOF"]),
            ("RUN <<<EOF", vec![]),
            ("RUN a<<EOF", vec![]),
            ("RUN '<<EOF' \"<<EOF\" \\<<EOF", vec![]),
            ("RUN echo don't <<EOF", vec![]),
            ("RUN echo \"${x^^}\" <<EOF", vec![]),
            ("RUN echo ${x:-a b} ${y##*/} $(z) <<EOF <<$F", vec!["EOF", "$F"]),
            ("RUN echo ${x/a/b} ${ <<EOF", vec![]),
            ("RUN <<eo\\'f", vec!["eo'f"]),
        ] {
            let found: Vec<_> = heredoc_words(text).into_iter().map(|word| word.name).collect();
            assert_eq!(found, names, "{text}");
        }
        assert!(heredoc_word("<<eo\\'f").unwrap().expand);
        // The names that Docker 28.5 gives the files of such a COPY.
        for (word, name) in [
            ("<<\"E\\F\"", Some("E\\F")),
            ("<<\"E\\\"F\"", Some("E\"F")),
            ("<<\"E\\\\F\"", Some("E\\F")),
            ("<<E\\F", Some("EF")),
            ("<<${X}", Some("${X}")),
            ("<<'${X-a}'", Some("${X-a}")),
            ("<<\\${X-a}", Some("${X-a}")),
            ("<<a${X:-b}c", None),
            ("<<\"${X#a}\"", None),
        ] {
            assert_eq!(heredoc_word(word).map(|word| word.name).as_deref(), name, "{word}");
        }
        assert!(!heredoc_word("<<e'o'f").unwrap().expand);
    }

    #[test]
    fn any_name_without_angles_can_be_written() {
        for (name, expand) in [("eo'f", true), ("eo'f", false), ("a b", false), ("$x\\", true)] {
            let heredoc = Heredoc { expand, ..Heredoc::new(name, "a\n") };
            assert!(heredoc.is_writable(), "{name} {}", heredoc.word());
        }
        for name in ["", "a<b", "a\nb"] {
            assert!(!Heredoc::new(name, "a\n").is_writable(), "{name}");
        }
    }
}

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
    /// The word that begins and ends it; for a `COPY` also the file's name, where the destination
    /// is a directory.
    pub name: String,
    /// The text, each line with its end.
    pub content: String,
    /// Whether variables in it are replaced, which a quoted name prevents. Default: yes.
    pub expand: bool,
    /// Whether tabs at the beginning of its lines go (`<<-`). Default: no.
    pub strip_tabs: bool,
}

impl Heredoc {
    /// A text in which variables are replaced. Its last line gets an end if it has none. A name that
    /// is also a line of the text gets underscores until it is none.
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

    /// Nothing in it is replaced.
    #[must_use]
    pub fn literal(mut self) -> Heredoc {
        self.expand = false;
        self
    }

    /// The word that stands for it in its instruction.
    pub(super) fn word(&self) -> String {
        let dash = if self.strip_tabs { "-" } else { "" };
        let plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/');
        if self.name.chars().all(plain) {
            let quote = if self.expand { "" } else { "'" };
            return format!("<<{dash}{quote}{}{quote}", self.name);
        }
        // Escapes leave it as it is; what keeps its text from being expanded is a pair of quotes.
        let mut word = format!("<<{dash}{}", if self.expand { "" } else { "''" });
        for char in self.name.chars() {
            if !plain(char) {
                word.push('\\');
            }
            word.push(char);
        }
        word
    }

    /// Whether it can be written, and read again as it is.
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

    /// What the engine makes of it: the content, without tabs where they go.
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
    /// Whether blanks stand before the name.
    pub(super) blank: bool,
}

impl HeredocWord {
    /// Whether a line, its end included, ends the text.
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

/// The heredocs that an instruction names, in order. Where its quotes or braces don't match, none.
pub(super) fn heredoc_words(text: &str) -> Vec<HeredocWord> {
    let words = Words::split(text).unwrap_or_default();
    words.iter().filter_map(|word| heredoc_word(word)).collect()
}

/// The word after a `<<-` that stands alone: meant as a heredoc's name, and none for any engine.
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
            // (Only quotes keep the text from being expanded.)
            ('\\', None) => name.extend(chars.next()),
            ('\\', Some('"')) => match chars.next() {
                Some(next @ ('"' | '$' | '\\')) => name.push(next),
                next => name.extend([char].into_iter().chain(next)),
            },
            // A name is as it stands there, but one that has a variable with a modifier is none.
            ('$', None | Some('"')) if has_modifier(chars.as_str()) => return None,
            (char, _) => name.push(char),
        }
    }
    let whole = quote.is_none() && !name.is_empty();
    whole.then_some(HeredocWord { name, expand: !quoted, strip_tabs, blank })
}

/// Whether what follows a dollar is a variable in braces with more than its name in them.
fn has_modifier(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.split('}').next());
    inner.is_some_and(|inner| !inner.chars().all(|char| char.is_alphanumeric() || char == '_'))
}

/// Splits a line at blanks, with quotes, escapes and variables left as they are.
struct Words<'a> {
    chars: Peekable<Chars<'a>>,
    words: Vec<String>,
    word: String,
    /// How many modifiers of variables are open.
    depth: usize,
}

impl Words<'_> {
    /// Returns nothing where a quote or a brace is left open, where a variable's modifier is unknown,
    /// and where variables are nested too deep.
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

    /// Reads `<` or the beginning of a heredoc. Blanks after `<<` belong to the word, as in BuildKit
    /// 0.22 and newer; blanks after `<<-` end it, in every version.
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

    /// A variable, of which only the braces count.
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
        // As Docker 28.5 names the files of such a COPY.
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

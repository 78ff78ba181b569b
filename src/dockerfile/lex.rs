//! Reading and writing the text of a [`Word`]: quotes, escapes and variables.
//!
//! The rules are those of BuildKit's shell lexer, which knows less than a shell.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use super::word::{Modifier, Part, Variable, Word};

/// The reason why a word can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexError {
    SingleQuote,
    DoubleQuote,
    Brace,
    Modifier,
    Depth,
}

/// Limit for the nesting of variables in each other's modifiers. Each level is a recursive call, so
/// a long text could otherwise overflow the stack.
pub(super) const MAX_DEPTH: usize = 100;

impl LexError {
    pub(super) fn message(self) -> &'static str {
        match self {
            LexError::SingleQuote => "a single quote is never closed",
            LexError::DoubleQuote => "a double quote is never closed",
            LexError::Brace => "a `${` is never closed, or no variable's name follows it",
            LexError::Modifier => "a variable has a modifier that does not exist",
            LexError::Depth => "variables are nested more than 100 deep",
        }
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    /// Whether quotes and escapes stand for themselves.
    raw: bool,
    /// Whether only an escaped dollar counts as an escape.
    template: bool,
    /// The number of open modifiers.
    depth: usize,
}

/// Reads a word as it is written in a Dockerfile.
pub(super) fn word(text: &str, escape: char) -> Result<Word, LexError> {
    let chars = text.chars().peekable();
    Reader { chars, escape, raw: false, template: false, depth: 0 }.read(None)
}

/// Reads a string of the typed API: variables, and `\$` for a dollar.
pub(super) fn template(text: &str) -> Word {
    let chars = text.chars().peekable();
    let read = Reader { chars, escape: '\\', raw: true, template: true, depth: 0 }.read(None);
    // A text that only looks like a variable stands for itself.
    read.unwrap_or_else(|_| Word::literal(text))
}

impl Reader<'_> {
    /// Reads up to one of the given characters, which must come and is taken, or else to the end.
    fn read(&mut self, stops: Option<&[char]>) -> Result<Word, LexError> {
        let mut word = Word::default();
        let mut text = String::new();
        while let Some(char) = self.chars.next() {
            if stops.is_some_and(|stops| stops.contains(&char)) {
                word.push_text(&text);
                return Ok(word);
            }
            match char {
                '\'' if !self.raw => self.single_quoted(&mut text)?,
                '"' if !self.raw => {
                    word.push_text(&text);
                    text.clear();
                    self.double_quoted(&mut word)?;
                }
                '$' => self.dollar(&mut word, &mut text)?,
                char if char == self.escape && self.template => match self.chars.peek() {
                    // Within braces an escape may be meant for a stop as well.
                    Some(next) if *next == '$' || stops.is_some_and(|s| s.contains(next)) => {
                        text.extend(self.chars.next());
                    }
                    _ => text.push(char),
                },
                char if char == self.escape => {
                    if self.raw {
                        text.push(char);
                    }
                    text.extend(self.chars.next());
                }
                char => text.push(char),
            }
        }
        if stops.is_some() {
            return Err(LexError::Brace);
        }
        word.push_text(&text);
        Ok(word)
    }

    fn single_quoted(&mut self, text: &mut String) -> Result<(), LexError> {
        loop {
            match self.chars.next() {
                None => return Err(LexError::SingleQuote),
                Some('\'') => return Ok(()),
                Some(char) => text.push(char),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), LexError> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(LexError::DoubleQuote),
                Some('"') => break,
                Some('$') => self.dollar(word, &mut text)?,
                Some(char) if char == self.escape => match self.chars.next() {
                    None => return Err(LexError::DoubleQuote),
                    Some(next) => {
                        if !(next == '"' || next == '$' || next == self.escape) {
                            text.push(char);
                        }
                        text.push(next);
                    }
                },
                Some(char) => text.push(char),
            }
        }
        word.push_text(&text);
        Ok(())
    }

    /// Reads what follows a dollar.
    fn dollar(&mut self, word: &mut Word, text: &mut String) -> Result<(), LexError> {
        if self.chars.peek() == Some(&'{') {
            self.chars.next();
            let name = self.name();
            if name.is_empty() {
                return Err(LexError::Brace);
            }
            if self.depth >= MAX_DEPTH {
                return Err(LexError::Depth);
            }
            self.depth += 1;
            let modifier = self.modifier()?;
            self.depth -= 1;
            word.push_text(text);
            text.clear();
            word.parts.push(Part::Variable(Variable { name, modifier }));
            return Ok(());
        }
        let name = self.name();
        if name.is_empty() {
            text.push('$');
        } else {
            word.push_text(text);
            text.clear();
            word.parts.push(Part::Variable(Variable { name, modifier: None }));
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            Some(first) if first.is_ascii_digit() => {
                while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            _ => {
                while let Some(char) =
                    self.chars.next_if(|char| char.is_alphanumeric() || *char == '_')
                {
                    name.push(char);
                }
            }
        }
        name
    }

    /// Reads the rest of a variable in braces after its name, including the closing brace.
    fn modifier(&mut self) -> Result<Option<Modifier>, LexError> {
        let first = self.chars.next().ok_or(LexError::Brace)?;
        let (empty, sign) = match first {
            '}' => return Ok(None),
            ':' => (true, self.chars.next().ok_or(LexError::Brace)?),
            sign => (false, sign),
        };
        let doubled = |reader: &mut Self| reader.chars.next_if_eq(&sign).is_some();
        let modifier = match (empty, sign) {
            (_, '-') => Modifier::Default { empty, word: self.read(Some(&['}']))? },
            (_, '+') => Modifier::Alternate { empty, word: self.read(Some(&['}']))? },
            (_, '?') => Modifier::Required { empty, word: self.read(Some(&['}']))? },
            // After a colon these are no modifiers: BuildKit accepted them once, and refuses them
            // now.
            (false, '#') => {
                let (longest, pattern) = doubled_pattern(sign, self.pattern(&['}'])?);
                Modifier::TrimStart { longest, pattern }
            }
            (false, '%') => {
                let (longest, pattern) = doubled_pattern(sign, self.pattern(&['}'])?);
                Modifier::TrimEnd { longest, pattern }
            }
            (false, '/') => {
                let all = doubled(self);
                let pattern = self.pattern(&['/'])?;
                Modifier::Replace { all, pattern, with: self.replacement()? }
            }
            _ => return Err(LexError::Modifier),
        };
        Ok(Some(modifier))
    }

    /// Reads a pattern. It keeps its escapes, except those of characters that would end it.
    fn pattern(&mut self, stops: &[char]) -> Result<Word, LexError> {
        let mut word = Word::default();
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(LexError::Brace),
                Some(char) if stops.contains(&char) => break,
                Some('\'') if !self.raw => self.single_quoted(&mut text)?,
                Some('"') if !self.raw => self.quoted_pattern(&mut word, &mut text)?,
                Some('$') => self.dollar(&mut word, &mut text)?,
                Some(char) if char == self.escape => match self.chars.next() {
                    None => return Err(LexError::Brace),
                    Some(next) => {
                        if !(next == '/' || next == '}') {
                            text.push(char);
                        }
                        text.push(next);
                    }
                },
                Some(char) => text.push(char),
            }
        }
        word.push_text(&text);
        Ok(word)
    }

    /// Reads the part of a pattern in double quotes, where escapes are kept as well.
    fn quoted_pattern(&mut self, word: &mut Word, text: &mut String) -> Result<(), LexError> {
        loop {
            match self.chars.next() {
                None => return Err(LexError::DoubleQuote),
                Some('"') => return Ok(()),
                Some('$') => self.dollar(word, text)?,
                Some(char) => {
                    text.push(char);
                    if char == self.escape {
                        text.extend(
                            self.chars.next_if(|next| matches!(next, '"' | '$') || *next == char),
                        );
                    }
                }
            }
        }
    }

    /// Reads the replacement value, which keeps all of its escapes.
    fn replacement(&mut self) -> Result<Word, LexError> {
        if self.template {
            return self.read(Some(&['}']));
        }
        let mut word = Word::default();
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(LexError::Brace),
                Some('}') => break,
                Some('\'') => self.single_quoted(&mut text)?,
                Some('"') => self.quoted_pattern(&mut word, &mut text)?,
                Some('$') => self.dollar(&mut word, &mut text)?,
                Some(char) => {
                    text.push(char);
                    if char == self.escape {
                        text.extend(self.chars.next());
                    }
                }
            }
        }
        word.push_text(&text);
        Ok(word)
    }
}

/// Takes the second `#` or `%` from a pattern. Returns whether there was one; in quotes it counts
/// too.
fn doubled_pattern(sign: char, mut pattern: Word) -> (bool, Word) {
    let Some(Part::Text(text)) = pattern.parts.first_mut() else { return (false, pattern) };
    if !text.starts_with(sign) {
        return (false, pattern);
    }
    text.remove(0);
    if text.is_empty() {
        pattern.parts.remove(0);
    }
    (true, pattern)
}

/// Returns the text of a word in a Dockerfile, in quotes where they are needed.
pub(super) fn quoted(word: &Word, escape: char) -> String {
    let text = bare(word, escape);
    let plain = |part: &Part| match part {
        Part::Text(text) => text.chars().all(is_plain),
        Part::Variable(variable) => variable.modifier.is_none(),
    };
    if word.parts.iter().all(plain) && !word.parts.is_empty() {
        text
    } else {
        format!("\"{text}\"")
    }
}

/// Returns the text of a word with escapes for the characters that count within double quotes.
fn bare(word: &Word, escape: char) -> String {
    let mut written = String::new();
    for part in &word.parts {
        match part {
            Part::Text(text) => push_escaped(&mut written, text, escape, &['"', '$']),
            Part::Variable(this) => written.push_str(&variable(this, escape)),
        }
    }
    written
}

/// Returns the text of a word without quotes, with escapes for all characters that would count.
pub(super) fn escaped(word: &Word, escape: char) -> String {
    let mut written = String::new();
    for part in &word.parts {
        match part {
            Part::Text(text) => push_escaped(&mut written, text, escape, &['"', '\'', '$']),
            Part::Variable(this) => written.push_str(&variable(this, escape)),
        }
    }
    written
}

fn push_escaped(written: &mut String, text: &str, escape: char, special: &[char]) {
    for char in text.chars() {
        if char == escape || special.contains(&char) {
            written.push(escape);
        }
        written.push(char);
    }
}

fn is_plain(char: char) -> bool {
    char.is_alphanumeric()
        || matches!(char, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | ',' | '=' | '~')
}

/// Returns the text of a variable, in braces.
pub(super) fn variable(variable: &Variable, escape: char) -> String {
    let name = &variable.name;
    let colon = |empty: bool| if empty { ":" } else { "" };
    let inner = |word: &Word| {
        let mut written = String::new();
        for part in &word.parts {
            match part {
                Part::Text(text) => {
                    push_escaped(
                        &mut written,
                        text,
                        escape,
                        &['"', '\'', '$', '}', ' ', '\t', '\r'],
                    );
                }
                Part::Variable(this) => written.push_str(&self::variable(this, escape)),
            }
        }
        written
    };
    let pattern = |word: &Word| {
        let mut written = String::new();
        for part in &word.parts {
            match part {
                Part::Text(text) => {
                    written.push_str(
                        &text
                            .replace('/', &format!("{escape}/"))
                            .replace('}', &format!("{escape}}}")),
                    );
                }
                Part::Variable(this) => written.push_str(&self::variable(this, escape)),
            }
        }
        written
    };
    match &variable.modifier {
        None => format!("${{{name}}}"),
        Some(Modifier::Default { empty, word }) => {
            format!("${{{name}{}-{}}}", colon(*empty), inner(word))
        }
        Some(Modifier::Alternate { empty, word }) => {
            format!("${{{name}{}+{}}}", colon(*empty), inner(word))
        }
        Some(Modifier::Required { empty, word }) => {
            format!("${{{name}{}?{}}}", colon(*empty), inner(word))
        }
        Some(Modifier::TrimStart { longest, pattern: this }) => {
            format!("${{{name}#{}{}}}", if *longest { "#" } else { "" }, pattern(this))
        }
        Some(Modifier::TrimEnd { longest, pattern: this }) => {
            format!("${{{name}%{}{}}}", if *longest { "%" } else { "" }, pattern(this))
        }
        Some(Modifier::Replace { all, pattern: this, with }) => {
            let all = if *all { "/" } else { "" };
            // An empty pattern would double the slash.
            let this = if this.parts.is_empty() { "''".to_owned() } else { pattern(this) };
            format!("${{{name}/{all}{this}/{}}}", replacement(with, escape))
        }
    }
}

/// Returns the text of a replacement. It has no escapes, so single quotes hold everything but
/// themselves.
fn replacement(word: &Word, escape: char) -> String {
    let mut written = String::new();
    for part in &word.parts {
        match part {
            Part::Text(text) if text.chars().all(is_plain) => written.push_str(text),
            Part::Text(text) => {
                let _ = write!(written, "'{text}'");
            }
            Part::Variable(this) => written.push_str(&variable(this, escape)),
        }
    }
    written
}

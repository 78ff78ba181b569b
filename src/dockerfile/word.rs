//! [`Word`]: text with variables in it, as most instructions take it.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::lex;
use super::pattern::Pattern;
use crate::error::{Error, ErrorKind, Result};

/// A piece of a Dockerfile in which variables are replaced: the value of an `ENV`, a path of a
/// `COPY`, a `FROM`'s image and so on (Dockerfile reference, "Environment replacement").
///
/// A `&str` or `String` becomes a word by [`From`]: `$NAME` and `${NAME}`, the latter with any
/// modifier, are variables, `\$` is a dollar, and everything else stands for itself, quotes, blanks
/// and backslashes included. [`Dockerfile::render`](super::Dockerfile::render) does the quoting.
/// [`Word::literal`] takes text without variables.
///
/// ```
/// use castoff::dockerfile::Word;
///
/// let word = Word::from("/app/bin:$PATH");
/// assert_eq!(word.expand(|name| (name == "PATH").then(|| "/bin".to_owned())).unwrap(), "/app/bin:/bin");
/// assert_eq!(Word::literal("$HOME").expand(|_| None).unwrap(), "$HOME");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Word {
    pub(super) parts: Vec<Part>,
}

/// A part of a [`Word`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Text that stands for itself; never empty.
    Text(String),
    /// A variable.
    Variable(Variable),
}

/// A variable in a [`Word`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The operation on its value.
    pub modifier: Option<Modifier>,
}

/// An operation on a variable's value (Dockerfile reference, "Environment replacement").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Modifier {
    /// `${name-word}`, with `empty` `${name:-word}`: the word if the variable is unset (or empty).
    Default {
        /// Whether an empty value counts as unset.
        empty: bool,
        /// The value to use instead.
        word: Word,
    },
    /// `${name+word}`, with `empty` `${name:+word}`: the word if the variable is set (and not
    /// empty).
    Alternate {
        /// Whether an empty value counts as unset.
        empty: bool,
        /// The value to use instead.
        word: Word,
    },
    /// `${name?word}`, with `empty` `${name:?word}`: an error if the variable is unset (or empty).
    Required {
        /// Whether an empty value counts as unset.
        empty: bool,
        /// The error's message.
        word: Word,
    },
    /// `${name#pattern}`, or `##` for the longest match: the value without a matching beginning.
    TrimStart {
        /// Whether the longest match is removed.
        longest: bool,
        /// The pattern to remove; `*` and `?` are wildcards.
        pattern: Word,
    },
    /// `${name%pattern}`, or `%%` for the longest match: the value without a matching end.
    TrimEnd {
        /// Whether the longest match is removed.
        longest: bool,
        /// The pattern to remove; `*` and `?` are wildcards.
        pattern: Word,
    },
    /// `${name/pattern/with}`, or `//` for all matches: the value with matches replaced.
    Replace {
        /// Whether all matches are replaced, and not just the first one.
        all: bool,
        /// The pattern to replace; `*` and `?` are wildcards.
        pattern: Word,
        /// The replacement.
        with: Word,
    },
}

impl Word {
    /// Creates a word from text that stands for itself, dollars included.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Word {
        let text = text.into();
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
        Word { parts }
    }

    /// Creates a word from the value of a variable.
    #[must_use]
    pub fn variable(name: impl Into<String>) -> Word {
        Word { parts: vec![Part::Variable(Variable { name: name.into(), modifier: None })] }
    }

    /// Returns its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the text if there is no variable in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns the names of the variables in it, including those in modifiers.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect(&mut names);
        names
    }

    fn collect<'a>(&'a self, names: &mut Vec<&'a str>) {
        for part in &self.parts {
            let Part::Variable(variable) = part else { continue };
            names.push(&variable.name);
            match &variable.modifier {
                Some(
                    Modifier::Default { word, .. }
                    | Modifier::Alternate { word, .. }
                    | Modifier::Required { word, .. },
                ) => word.collect(names),
                Some(Modifier::TrimStart { pattern, .. } | Modifier::TrimEnd { pattern, .. }) => {
                    pattern.collect(names)
                }
                Some(Modifier::Replace { pattern, with, .. }) => {
                    pattern.collect(names);
                    with.collect(names);
                }
                None => {}
            }
        }
    }

    /// Replaces every variable by the result of `value`; unset ones become empty.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] where a `${name:?word}` finds its variable unset, and where a
    /// pattern is too long to be searched for (some hundred thousand characters).
    pub fn expand(&self, value: impl Fn(&str) -> Option<String>) -> Result<String> {
        self.expand_with(&value)
    }

    fn expand_with(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(variable) => text.push_str(&variable.expand(value)?),
            }
        }
        Ok(text)
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// Why this word cannot be written in a Dockerfile, if so.
    pub(super) fn unwritable(&self, escape: char) -> Option<&'static str> {
        self.parts.iter().find_map(|part| match part {
            Part::Text(text) if text.contains('\n') => {
                Some("a value has a line break in it, which no Dockerfile can say")
            }
            Part::Text(_) | Part::Variable(Variable { modifier: None, .. }) => None,
            Part::Variable(Variable { modifier: Some(modifier), .. }) => match modifier {
                Modifier::Default { word, .. }
                | Modifier::Alternate { word, .. }
                | Modifier::Required { word, .. } => word.unwritable(escape),
                Modifier::TrimStart { longest, pattern } => pattern
                    .unwritable_trim('#', *longest)
                    .or_else(|| pattern.unwritable_pattern(escape)),
                Modifier::TrimEnd { longest, pattern } => pattern
                    .unwritable_trim('%', *longest)
                    .or_else(|| pattern.unwritable_pattern(escape)),
                Modifier::Replace { pattern, with, .. } => pattern
                    .unwritable_pattern(escape)
                    .or_else(|| with.unwritable_replacement(escape)),
            },
        })
    }

    /// Checks the pattern of a `#` or `%`, whose second sign means the longest match, in quotes as
    /// well.
    fn unwritable_trim(&self, sign: char, longest: bool) -> Option<&'static str> {
        let doubled = |part: &Part| matches!(part, Part::Text(text) if text.starts_with(sign));
        let why = "the pattern of a variable begins with the sign that stands before it";
        (!longest && self.parts.first().is_some_and(doubled)).then_some(why)
    }

    /// Checks a pattern. Patterns keep their escapes, so not every special character can be
    /// escaped.
    fn unwritable_pattern(&self, escape: char) -> Option<&'static str> {
        let bad = |part: &Part| match part {
            Part::Text(text) => {
                let ends = ["\\/", "\\}"].iter().any(|end| text.contains(end));
                let escapes = text.contains('\\') && (escape != '\\' || text.ends_with('\\'));
                text.contains(['\'', '"', '`', '$']) || ends || escapes
            }
            Part::Variable(_) => false,
        };
        let why = "the pattern of a variable has a quote, a dollar or such an escape in it";
        self.unwritable(escape).or_else(|| self.parts.iter().any(bad).then_some(why))
    }

    /// Why this word can't be written as a replacement, if so: that has no escapes, so there is no way to
    /// write a quote.
    fn unwritable_replacement(&self, escape: char) -> Option<&'static str> {
        let quote = |part: &Part| matches!(part, Part::Text(text) if text.contains(['\'', '"']));
        let why = "the replacement of a variable has a quote in it";
        self.unwritable(escape).or_else(|| self.parts.iter().any(quote).then_some(why))
    }
}

impl Variable {
    fn expand(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String> {
        let found = value(&self.name);
        let counts = |empty: bool| match &found {
            Some(text) => !(empty && text.is_empty()),
            None => false,
        };
        let text = found.clone().unwrap_or_default();
        Ok(match &self.modifier {
            None => text,
            Some(Modifier::Default { empty, .. }) if counts(*empty) => text,
            Some(Modifier::Default { word, .. }) => word.expand_with(value)?,
            Some(Modifier::Alternate { empty, word }) if counts(*empty) => {
                word.expand_with(value)?
            }
            Some(Modifier::Alternate { .. }) => String::new(),
            Some(Modifier::Required { empty, .. }) if counts(*empty) => text,
            Some(Modifier::Required { word, .. }) => {
                let why = word.expand_with(value)?;
                let why = if why.is_empty() { "is not allowed to be unset" } else { &why };
                let message = format!("variable `{}`: {why}", self.name);
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            Some(Modifier::TrimStart { longest, pattern }) => {
                let pattern = Pattern::new(&pattern.expand_with(value)?);
                pattern.trim_start(&text, *longest)?.to_owned()
            }
            Some(Modifier::TrimEnd { longest, pattern }) => {
                let pattern = Pattern::new(&pattern.expand_with(value)?);
                pattern.trim_end(&text, *longest)?.to_owned()
            }
            Some(Modifier::Replace { all, pattern, with }) => {
                let pattern = Pattern::new(&pattern.expand_with(value)?);
                pattern.replace(&text, &with.expand_with(value)?, *all)?
            }
        })
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Word {
        lex::template(text)
    }
}

impl From<String> for Word {
    fn from(text: String) -> Word {
        Word::from(text.as_str())
    }
}

impl From<&String> for Word {
    fn from(text: &String) -> Word {
        Word::from(text.as_str())
    }
}

/// Reads what [`From`] reads, and never fails.
impl FromStr for Word {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Word, Infallible> {
        Ok(Word::from(text))
    }
}

/// Writes the form that [`From`] reads.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace('$', "\\$"))?,
                Part::Variable(variable) => f.write_str(&lex::variable(variable, '\\'))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> String {
        let values = |name: &str| match name {
            "path" => Some("a/b/c.tar.gz".to_owned()),
            "empty" => Some(String::new()),
            "set" => Some("x".to_owned()),
            _ => None,
        };
        Word::from(text).expand(values).unwrap()
    }

    #[test]
    fn modifiers_do_what_a_shell_does() {
        for (text, result) in [
            ("$set-${set}", "x-x"),
            ("${no:-d}|${no-d}|${empty:-d}|${empty-d}|${set:-d}", "d|d|d||x"),
            ("${no:+d}|${empty:+d}|${empty+d}|${set:+d}", "||d|d"),
            ("${path#*/}|${path##*/}", "b/c.tar.gz|c.tar.gz"),
            ("${path%.*}|${path%%.*}", "a/b/c.tar|a/b/c"),
            ("${path/\\//-}|${path//\\//-}", "a-b/c.tar.gz|a-b-c.tar.gz"),
            ("${no:-${set}y}", "xy"),
            ("\\$set $", "$set $"),
            ("a\\b \"c\" 'd'", "a\\b \"c\" 'd'"),
        ] {
            assert_eq!(expand(text), result, "{text}");
        }
    }

    #[test]
    fn what_must_be_set_says_so() {
        let error = Word::from("${no:?say why}").expand(|_| None).unwrap_err();
        assert_eq!(error.to_string(), "variable `no`: say why");
        assert_eq!(Word::from("${a:-${b}}$c").variables(), ["a", "b", "c"]);
    }
}

//! Regular expressions in Go's syntax (RE2, golang.org/s/re2syntax), as far as the patterns of a
//! `.dockerignore` use it.
//!
//! Rust's syntax differs in classes (`[[]` and `[a&&b]` mean something else), braces that are no
//! repetition, octal escapes, and the set of escapes.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// Compiles an expression. Returns `None` if Go would reject it.
pub(super) fn compile(expression: &str) -> Option<Regex> {
    Regex::new(&translate(expression)?).ok()
}

/// Translates an expression to Rust's syntax.
fn translate(expression: &str) -> Option<String> {
    let mut chars = expression.chars().peekable();
    let mut text = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match escape(&mut chars)? {
                Escape::Char(char) => push_char(&mut text, char),
                Escape::Class(class) => text.push_str(class),
                Escape::Place(place) => text.push_str(place),
            },
            '[' => class(&mut chars, &mut text)?,
            '{' if !is_repetition(chars.clone()) => text.push_str("\\{"),
            // Go rejects `x{1}{2}` and `x*{2}`.
            '{' if text.ends_with(['*', '}']) && !text.ends_with("\\}") => return None,
            '&' | '~' | '-' | '#' => push_char(&mut text, char),
            char => text.push(char),
        }
    }
    Some(text)
}

/// The meaning of an escape sequence.
enum Escape {
    Char(char),
    Class(&'static str),
    Place(&'static str),
}

fn escape(chars: &mut Peekable<Chars<'_>>) -> Option<Escape> {
    let char = chars.next()?;
    if char.is_ascii() && !char.is_ascii_alphanumeric() {
        return Some(Escape::Char(char));
    }
    Some(match char {
        'a' => Escape::Char('\u{7}'),
        'f' => Escape::Char('\u{c}'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        't' => Escape::Char('\t'),
        'v' => Escape::Char('\u{b}'),
        'd' => Escape::Class("[0-9]"),
        'D' => Escape::Class("[^0-9]"),
        's' => Escape::Class("[\\t\\n\\x0c\\r ]"),
        'S' => Escape::Class("[^\\t\\n\\x0c\\r ]"),
        'w' => Escape::Class("[0-9A-Za-z_]"),
        'W' => Escape::Class("[^0-9A-Za-z_]"),
        'A' => Escape::Place("\\A"),
        'z' => Escape::Place("\\z"),
        'b' => Escape::Place("(?-u:\\b)"),
        'B' => Escape::Place("(?-u:\\B)"),
        'x' => Escape::Char(hexadecimal(chars)?),
        // A single digit other than 0 would be a backreference, which Go does not have.
        '1'..='7' if !matches!(chars.peek(), Some('0'..='7')) => return None,
        '0'..='7' => Escape::Char(octal(char, chars)?),
        // `\pN`, `\Q` and `\C` are not supported: no real pattern uses them.
        _ => return None,
    })
}

/// Reads at most three octal digits in total.
fn octal(first: char, chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let mut value = first.to_digit(8)?;
    for _ in 0..2 {
        let Some(digit) = chars.next_if(|char| matches!(char, '0'..='7')) else { break };
        value = value * 8 + digit.to_digit(8)?;
    }
    char::from_u32(value)
}

/// Reads two hexadecimal digits, or any number of them in braces.
fn hexadecimal(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let digits: String = if chars.next_if_eq(&'{').is_some() {
        chars.by_ref().take_while(|char| *char != '}').collect()
    } else {
        chars.by_ref().take(2).collect()
    };
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
}

/// Returns whether the rest completes `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(mut rest: Peekable<Chars<'_>>) -> bool {
    let digits = |rest: &mut Peekable<Chars<'_>>| {
        let mut any = false;
        while rest.next_if(char::is_ascii_digit).is_some() {
            any = true;
        }
        any
    };
    if !digits(&mut rest) {
        return false;
    }
    if rest.next_if_eq(&',').is_some() {
        digits(&mut rest);
    }
    rest.next() == Some('}')
}

/// Translates a class, after its opening bracket.
fn class(chars: &mut Peekable<Chars<'_>>, text: &mut String) -> Option<()> {
    text.push('[');
    if let Some(not) = chars.next_if_eq(&'^') {
        text.push(not);
    }
    let mut first = true;
    loop {
        match *chars.peek()? {
            ']' if !first => {
                chars.next();
                text.push(']');
                return Some(());
            }
            // Named classes such as `[:alpha:]` have the same syntax in Rust.
            '[' => match named(chars) {
                Some(name) => text.push_str(&name),
                None => range(chars, text)?,
            },
            _ => range(chars, text)?,
        }
        first = false;
    }
}

fn named(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let rest: String = chars.clone().collect();
    let end = rest.strip_prefix("[:")?.find(":]")? + 4;
    let name = rest.get(..end)?.to_owned();
    for _ in name.chars() {
        chars.next();
    }
    Some(name)
}

/// Translates one character of a class, or a range of two with a dash between them.
fn range(chars: &mut Peekable<Chars<'_>>, text: &mut String) -> Option<()> {
    let low = match chars.next()? {
        '\\' => match escape(chars)? {
            Escape::Char(char) => char,
            Escape::Class(class) => {
                text.push_str(class);
                return Some(());
            }
            Escape::Place(_) => return None,
        },
        char => char,
    };
    push_char(text, low);
    let mut ahead = chars.clone();
    if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']')) {
        return Some(());
    }
    *chars = ahead;
    let high = match chars.next()? {
        '\\' => match escape(chars)? {
            Escape::Char(char) => char,
            Escape::Class(_) | Escape::Place(_) => return None,
        },
        char => char,
    };
    text.push('-');
    push_char(text, high);
    (low <= high).then_some(())
}

/// Adds a literal character, in a class or outside of one.
fn push_char(text: &mut String, char: char) {
    if char.is_alphanumeric() {
        text.push(char);
    } else {
        let _ = write!(text, "\\x{{{:x}}}", u32::from(char));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (expression, yes, no) in [
            ("^[[]id]$", "[id]", "id"),
            ("^[]a]$", "]", "b"),
            ("^[^]a]$", "b", "]"),
            ("^what[[^/]]$", "what^]", "what?"),
            ("^[a&&b]$", "&", "c"),
            ("^[a-c-e]$", "-", "d"),
            ("^[a-]$", "-", "b"),
            ("^[[:digit:]x]$", "7", ":"),
            ("^a{2}$", "aa", "a{2}"),
            ("^a{,2}$", "a{,2}", "aa"),
            ("^{a}$", "{a}", "a"),
            ("^\\101$", "A", "101"),
            ("^\\d$", "1", "\u{663}"),
            ("^[\\w-]$", "-", "é"),
            ("^a|b$", "ax", "c"),
            ("^\\x41\\x{e9}$", "Aé", "A"),
            ("^x#y$", "x#y", "x"),
        ] {
            let expression = compile(expression).unwrap();
            assert!(
                expression.is_match(yes) && !expression.is_match(no),
                "{expression} {yes} {no}"
            );
        }
        for refused in
            ["^[$", "^[b-a]$", "^\\8$", "^\\1$", "^\\g$", "^\\é$", "^[^/]*{2}$", "^\\x4$"]
        {
            assert!(compile(refused).is_none(), "{refused}");
        }
    }
}

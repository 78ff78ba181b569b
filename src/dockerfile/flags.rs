//! The flags of an instruction, `--name=value`.

use super::Word;
use super::diagnostic::Severity;
use super::read::{Problems, Read, lexed};

/// Splits the flags at the beginning of an instruction's text, without their quotes, from the rest.
///
/// The file's escape character escapes here, as in BuildKit since Docker 28; before, a backslash
/// did in every file. Two dashes alone end the flags.
pub(super) fn split(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = word(rest, escape);
        rest = after;
        if flag == "--" {
            // Engines keep the blanks of what follows, but no instruction needs them.
            return (flags, rest.trim_start());
        }
        flags.push(flag);
        rest = rest.trim_start();
    }
    (flags, rest)
}

fn word(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match (char, quote) {
            (char, None) if char.is_whitespace() => return (word, &text[at..]),
            ('\'' | '"', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            (char, _) if char == escape => word.extend(chars.next().map(|(_, char)| char)),
            (char, _) => word.push(char),
        }
    }
    (word, "")
}

/// The flags of an instruction, taken out one by one.
pub(super) struct Flags {
    pub(super) flags: Vec<String>,
}

impl Flags {
    /// Takes all values of a flag.
    pub(super) fn all(&mut self, name: &str) -> Read<Vec<String>> {
        let (own, others) = std::mem::take(&mut self.flags).into_iter().partition(|flag| {
            let flag = flag.strip_prefix("--").unwrap_or_default();
            flag.split('=').next() == Some(name)
        });
        self.flags = others;
        let own: Vec<String> = own;
        let value = |flag: String| {
            let value = flag.split_once('=').map(|(_, value)| value.to_owned());
            value.ok_or_else(|| format!("the flag --{name} has no value").into())
        };
        own.into_iter().map(value).collect()
    }

    pub(super) fn text(&mut self, name: &str) -> Read<Option<String>> {
        let mut values = self.all(name)?;
        if values.len() > 1 {
            return Err(format!("the flag --{name} is there twice").into());
        }
        Ok(values.pop())
    }

    pub(super) fn word(&mut self, name: &str, escape: char) -> Read<Option<Word>> {
        self.text(name)?.map(|text| lexed(&text, escape)).transpose()
    }

    pub(super) fn truth(&mut self, name: &str) -> Read<Option<bool>> {
        let bare = format!("--{name}");
        for flag in &mut self.flags {
            if *flag == bare {
                flag.push_str("=true");
            }
        }
        match self.text(name)?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(format!("--{name} is true or false, not `{other}`").into()),
        }
    }

    pub(super) fn finish(self) -> Read<()> {
        match self.flags.first() {
            None => Ok(()),
            Some(flag) => Err(format!("the flag {flag} is unknown here").into()),
        }
    }

    pub(super) fn ignored(self, problems: &mut Problems) {
        for flag in self.flags {
            problems.push((Severity::Warning, format!("the flag {flag} is ignored here")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_end_where_a_word_has_no_dashes() {
        for (text, flags, rest) in [
            ("--a=b --c d --e", vec!["--a=b", "--c"], "d --e"),
            ("--a=\"b c\" 'x'", vec!["--a=b c"], "'x'"),
            ("--a=b\\ c x", vec!["--a=b c"], "x"),
            ("-- --a", vec![], "--a"),
            ("-a --b", vec![], "-a --b"),
            ("--a", vec!["--a"], ""),
            ("--a='b", vec!["--a=b"], ""),
        ] {
            let (found, left) = split(text, '\\');
            assert_eq!((found.iter().map(String::as_str).collect(), left), (flags, rest), "{text}");
        }
        let text = r"--a=C:\b` c --d=DOM\user\ x";
        assert_eq!(split(text, '`'), (vec![r"--a=C:\b c".into(), r"--d=DOM\user\".into()], "x"));
    }
}

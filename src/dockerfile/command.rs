//! [`Command`]: the shell form and the exec form.

/// The command of a `RUN`, `CMD`, `ENTRYPOINT` or `HEALTHCHECK`.
///
/// A string is the shell form, a list of strings the exec form:
///
/// ```
/// use castoff::dockerfile::Command;
///
/// assert_eq!(Command::from("echo hello"), Command::Shell("echo hello".into()));
/// assert_eq!(Command::from(["/server"]), Command::Exec(vec!["/server".into()]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Run by the stage's shell: `/bin/sh -c` unless a `SHELL` sets another. The shell expands
    /// variables in it.
    Shell(String),
    /// Run without a shell.
    Exec(Vec<String>),
}

impl Command {
    /// Creates a command in shell form. A backslash before a line break removes both, as in a
    /// Dockerfile.
    pub fn shell(text: impl Into<String>) -> Command {
        Command::Shell(joined(&text.into()))
    }

    /// Creates a command in shell form from separate words, each quoted for a POSIX shell if
    /// needed.
    ///
    /// Use it for programs and arguments from elsewhere, which must arrive unchanged.
    ///
    /// ```
    /// use castoff::dockerfile::Command;
    ///
    /// let command = Command::shell_words(["echo", "it's", "$HOME", "plain"]);
    /// assert_eq!(command, Command::Shell(r#"echo 'it'\''s' '$HOME' plain"#.into()));
    /// ```
    ///
    /// The shell form can't hold a word with a line break: rendering such a command is an error.
    /// The exec form has no such limit.
    pub fn shell_words(words: impl IntoIterator<Item = impl AsRef<str>>) -> Command {
        let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
        Command::Shell(words.join(" "))
    }

    /// Creates a command in exec form.
    pub fn exec(words: impl IntoIterator<Item = impl Into<String>>) -> Command {
        Command::Exec(words.into_iter().map(Into::into).collect())
    }
}

/// Quotes a word for a POSIX shell (XCU 2.2.2, single quotes).
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_-./:@%+,".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Removes escaped line breaks, and blanks around the text.
fn joined(text: &str) -> String {
    let mut joined = String::new();
    let mut continued = false;
    for line in text.trim().split_inclusive('\n') {
        let line = if continued { line.trim_start_matches([' ', '\t']) } else { line };
        let end = line.trim_end_matches(['\n', '\r', ' ', '\t']);
        continued = end.ends_with('\\') && !end.ends_with("\\\\") && line.ends_with('\n');
        joined.push_str(if continued { &end[..end.len() - 1] } else { line });
    }
    joined.trim().to_owned()
}

impl From<&str> for Command {
    fn from(text: &str) -> Command {
        Command::shell(text)
    }
}

impl From<String> for Command {
    fn from(text: String) -> Command {
        Command::shell(text)
    }
}

impl From<&String> for Command {
    fn from(text: &String) -> Command {
        Command::shell(text)
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Command {
    fn from(words: [S; N]) -> Command {
        Command::exec(words)
    }
}

impl<S: Into<String>> From<Vec<S>> for Command {
    fn from(words: Vec<S>) -> Command {
        Command::exec(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_line_breaks_go() {
        for (text, joined) in [
            ("a && \\\n  b", "a && b"),
            ("  a \\  \r\n\tb\\\n c ", "a bc"),
            ("a\nb", "a\nb"),
            ("a \\\\\nb", "a \\\\\nb"),
            ("a \\", "a \\"),
        ] {
            assert_eq!(Command::shell(text), Command::Shell(joined.into()), "{text}");
        }
    }
}

//! The flags of an instruction, `--name=value`.

/// The flags at the beginning of an instruction's text, without their quotes, and the rest.
///
/// As in BuildKit, a backslash escapes here whatever the file's escape character is, and two dashes
/// alone end the flags.
pub(super) fn split(text: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = word(rest);
        rest = after;
        if flag == "--" {
            // What follows keeps its blanks, for which nobody has a use.
            return (flags, rest.trim_start());
        }
        flags.push(flag);
        rest = rest.trim_start();
    }
    (flags, rest)
}

fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match (char, quote) {
            (char, None) if char.is_whitespace() => return (word, &text[at..]),
            ('\'' | '"', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            ('\\', _) => word.extend(chars.next().map(|(_, char)| char)),
            (char, _) => word.push(char),
        }
    }
    (word, "")
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
            let (found, left) = split(text);
            assert_eq!((found.iter().map(String::as_str).collect(), left), (flags, rest), "{text}");
        }
    }
}

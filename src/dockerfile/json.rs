//! Reads and writes the exec form: a JSON array of strings.

use std::borrow::Cow;

/// Reads an array of strings, with blanks around it allowed; anything else is `None`.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') {
        return None;
    }
    serde_json::from_str(&whole(text)).ok()
}

/// Replaces each half of a surrogate pair by U+FFFD, as the engine does. Serde would refuse the
/// array.
fn whole(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let unit = |rest: &str| {
        let digits = rest.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match unit(rest) {
            Some(0xd800..=0xdbff) => match rest.get(6..).and_then(unit) {
                Some(0xdc00..=0xdfff) => 12,
                _ => 0,
            },
            Some(0xdc00..=0xdfff) => 0,
            Some(_) => 6,
            // An escape of another kind, of two characters.
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        if taken == 0 {
            written.push('\u{fffd}');
            rest = &rest[6..];
        } else {
            written.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
    }
    written.push_str(rest);
    Cow::Owned(written)
}

/// Returns whether the text is an array with values other than strings.
pub(super) fn is_other_array(text: &str) -> bool {
    let array = serde_json::from_str::<Vec<serde_json::Value>>(&whole(text.trim()));
    array.is_ok_and(|values| !values.iter().all(serde_json::Value::is_string))
}

pub(super) fn write(words: &[String]) -> String {
    let words: Vec<String> =
        words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_pairs_are_replaced() {
        for (text, words) in [
            (r#"["\ud83d\ude00"]"#, vec!["\u{1f600}"]),
            (r#"["\ud83d", "x"]"#, vec!["\u{fffd}", "x"]),
            (r#"["\ude00\uD83d\u0041"]"#, vec!["\u{fffd}\u{fffd}A"]),
            (r#"["\\ud83d"]"#, vec!["\\ud83d"]),
        ] {
            assert_eq!(read(text).unwrap(), words, "{text}");
        }
        for text in [r#"["\ud8"]"#, r#"["\ud8"#, "[\"\\ud\u{e4}\u{e4}\"]", "[\"a\"] x", "a"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! [`Challenge`]: a registry's request for a login (RFC 9110, section 11.3).
//!
//! The parser tolerates more than the crate `http-auth`, which gives up at a `token68`, as a
//! `Negotiate` before the usable challenge has it, and at a realm whose URL is not quoted.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One scheme with its parameters. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    params: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Returns all challenges of an answer.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(parse).collect()
}

/// Parses challenges. These and their parameters are both separated by commas: a word before a `=`
/// is a parameter, any other is the next scheme.
fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t', '=']);
        let (word, after) = word(rest);
        if word.is_empty() {
            // No challenge begins here: skip one character, or end if none is left.
            let mut chars = rest.chars();
            match chars.next() {
                Some(_) => rest = chars.as_str(),
                None => return found,
            }
            continue;
        }
        rest = after;
        let value = after.trim_start().strip_prefix('=');
        match (found.last_mut(), value) {
            (Some(challenge), Some(value)) => {
                let (value, after) = read_value(value.trim_start());
                challenge.params.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            _ => found.push(Challenge { scheme: word.to_ascii_lowercase(), params: Vec::new() }),
        }
    }
}

/// Splits off a run of token characters (RFC 9110, section 5.6.2) and of those that only `token68`
/// has.
fn word(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Reads a quoted string without its quotes and backslashes, or the text before the next comma or
/// space.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (plain, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (plain.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    (value, chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn docker_hubs() {
        let text = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/redis:pull""#;
        let [challenge] = parse(text).try_into().unwrap();
        assert_eq!(challenge.scheme, "bearer");
        assert_eq!(challenge.param("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(challenge.param("service"), Some("registry.docker.io"));
        assert_eq!(challenge.param("scope"), Some("repository:library/redis:pull"));
        assert_eq!(challenge.param("error"), None);
    }

    #[test]
    fn several_in_one_header_and_in_several() {
        let text = r#"Negotiate abc==, BASIC Realm = "a \"b\", c" , charset=UTF-8, Bearer realm=x"#;
        let found = parse(text);
        let schemes: Vec<_> = found.iter().map(|c| c.scheme.as_str()).collect();
        assert!(schemes.ends_with(&["basic", "bearer"]), "{schemes:?}");
        let basic = &found[found.len() - 2];
        assert_eq!(basic.param("realm"), Some("a \"b\", c"));
        assert_eq!(basic.param("charset"), Some("UTF-8"));
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=a".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Bearer realm=b".parse().unwrap());
        assert_eq!(challenges(&headers).len(), 2);
    }

    proptest! {
        #[test]
        fn never_panics_and_ends(text in "\\PC{0,60}|[A-Za-z=\", \\\\]{0,60}") {
            parse(&text);
        }
    }
}

//! `.dockerignore`: the files that a context leaves out.
//!
//! The rules are those of Docker's pattern matcher, down to its translation into regular
//! expressions: patterns are anchored at the context's root, the last match decides, and a match of
//! a directory applies to everything below it.

use std::fmt;

use regex::Regex;

use super::go_regex;

/// The patterns of a `.dockerignore`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    /// Whether the pattern is negated by a `!`: what matches is included again.
    exception: bool,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Exact,
    /// Matches every path with this prefix.
    Prefix(String),
    /// Matches every path with this suffix.
    Suffix(String),
    Expression(Regex),
}

/// The patterns that match a directory, as input for the paths in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    excluded: bool,
    /// Whether each pattern matches; empty for the root.
    patterns: Vec<bool>,
}

/// The error for an invalid pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    line: usize,
    pattern: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: the pattern `{}` is malformed", self.line, self.pattern)
    }
}

impl Matched {
    pub(super) fn excluded(&self) -> bool {
        self.excluded
    }
}

impl Ignore {
    /// Parses a `.dockerignore`.
    pub(super) fn parse(text: &str) -> Result<Ignore, Malformed> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ignore::default()
            .extend(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned), text)
    }

    /// Adds patterns after the existing ones.
    pub(super) fn with(self, patterns: &[String]) -> Result<Ignore, Malformed> {
        self.extend(patterns.iter().cloned(), &patterns.join("\n"))
    }

    fn extend(
        mut self,
        lines: impl Iterator<Item = String>,
        text: &str,
    ) -> Result<Ignore, Malformed> {
        for line in lines {
            let pattern = Pattern::read(&line).map_err(|()| Malformed {
                line: text.lines().position(|other| other == line).map_or(1, |line| line + 1),
                pattern: line.trim().to_owned(),
            })?;
            self.patterns.extend(pattern);
        }
        Ok(self)
    }

    /// Returns the patterns that match a path, given those of its directory.
    pub(super) fn matches(&self, path: &str, above: &Matched) -> Matched {
        let mut matched = Matched { excluded: false, patterns: vec![false; self.patterns.len()] };
        for (number, pattern) in self.patterns.iter().enumerate() {
            let mut fits = above.patterns.get(number).copied().unwrap_or(false);
            // A pattern that could change nothing is skipped.
            if !fits && pattern.exception == matched.excluded {
                fits = pattern.matches(path);
            }
            matched.patterns[number] = fits;
            if fits {
                matched.excluded = !pattern.exception;
            }
        }
        matched
    }

    /// Returns whether a path is left out, checking all directories above it.
    pub(super) fn excludes(&self, path: &str) -> bool {
        let mut matched = Matched::default();
        for (end, _) in path.match_indices('/') {
            matched = self.matches(&path[..end], &matched);
        }
        self.matches(path, &matched).excluded
    }

    /// Returns whether a path below an excluded directory may be included again.
    pub(super) fn may_reinclude_below(&self, directory: &str) -> bool {
        self.patterns.iter().filter(|pattern| pattern.exception).any(|pattern| {
            let plain = pattern.text.trim_end_matches(['*', '/']);
            if plain.contains(['*', '?', '[', '\\']) || plain.is_empty() {
                return true;
            }
            let below = format!("{directory}/");
            format!("{plain}/").starts_with(&below)
        })
    }
}

impl Pattern {
    /// Parses a line; returns `None` if it contains no pattern.
    fn read(line: &str) -> Result<Option<Pattern>, ()> {
        let line = line.trim();
        let (exception, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        // Docker removes the slash before it checks that a pattern follows the `!`.
        let text = if exception && text.trim_matches('/').is_empty() { "" } else { text };
        if text.is_empty() {
            return if exception { Err(()) } else { Ok(None) };
        }
        let cleaned = clean(text);
        let text = match cleaned.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest.to_owned(),
            _ => cleaned,
        };
        if !is_glob(&text) {
            return Err(());
        }
        Ok(Some(Pattern { exception, rule: rule(&text)?, text }))
    }

    fn matches(&self, path: &str) -> bool {
        match &self.rule {
            Rule::Exact => path == self.text,
            Rule::Prefix(prefix) => path.starts_with(prefix),
            Rule::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|rest| path == rest)
            }
            Rule::Expression(expression) => expression.is_match(path),
        }
    }
}

/// Returns the shortest equivalent path, as Go's `filepath.Clean` does.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Returns whether Go's `filepath.Match` accepts a pattern: brackets are closed and not empty, and
/// each backslash escapes a character.
fn is_glob(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if chars.next().is_none() => return false,
            '[' => {
                chars.next_if_eq(&'^');
                let mut some = false;
                loop {
                    match chars.next() {
                        None => return false,
                        Some(']') if some => break,
                        Some(']' | '-') => return false,
                        Some('\\') if chars.next().is_none() => return false,
                        Some(_) => {}
                    }
                    if chars.next_if_eq(&'-').is_some() {
                        match chars.next() {
                            None | Some(']' | '-') => return false,
                            Some('\\') if chars.next().is_none() => return false,
                            Some(_) => {}
                        }
                    }
                    some = true;
                }
            }
            _ => {}
        }
    }
    true
}

/// Translates a pattern as Docker does: into Go's regular expressions, character by character,
/// without treating brackets specially. So `[?]` becomes a class that contains a slash, and `|`
/// separates alternatives.
fn rule(pattern: &str) -> Result<Rule, ()> {
    let mut expression = "^".to_owned();
    let mut chars = pattern.chars().peekable();
    let (mut plain, mut suffix, mut prefix) = (true, false, false);
    let mut first = true;
    while let Some(char) = chars.next() {
        match char {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_none() {
                    prefix = plain && !suffix;
                    plain = prefix;
                    expression.push_str(".*");
                } else {
                    expression.push_str("(.*/)?");
                    plain = false;
                }
                if first {
                    (suffix, plain) = (true, true);
                }
            }
            '*' => {
                expression.push_str("[^/]*");
                plain = false;
            }
            '?' => {
                expression.push_str("[^/]");
                plain = false;
            }
            '\\' => {
                plain = false;
                expression.push('\\');
                expression.push(chars.next().ok_or(())?);
            }
            '[' | ']' => {
                plain = false;
                expression.push(char);
            }
            // Docker means to escape `|`, `{` and `}` as well, but does not: its table of
            // characters is too small for them (moby/patternmatcher, `shouldEscape`).
            '.' | '+' | '(' | ')' | '$' => {
                expression.push('\\');
                expression.push(char);
            }
            char => expression.push(char),
        }
        first = false;
    }
    if plain && suffix {
        return Ok(Rule::Suffix(pattern.strip_prefix("**").unwrap_or(pattern).to_owned()));
    }
    if plain && prefix {
        return Ok(Rule::Prefix(pattern.strip_suffix("**").unwrap_or(pattern).to_owned()));
    }
    if plain {
        return Ok(Rule::Exact);
    }
    expression.push('$');
    go_regex::compile(&expression).map(Rule::Expression).ok_or(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excludes(patterns: &str, path: &str) -> bool {
        Ignore::parse(patterns).unwrap().excludes(path)
    }

    #[test]
    fn patterns_match_as_dockers_do() {
        for (patterns, path, excluded) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/file", true),
            ("**/file", "file", true),
            ("**/file", "dirfile", false),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*.txt", "dir/file.txt", true),
            ("**/*.txt", "file.text", false),
            ("**/a/*", "x/a/b", true),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aee", false),
            ("a[^b-d]e", "aze", true),
            ("abc.def", "abcdef", false),
            ("abc?def", "abcZdef", true),
            ("abc?def", "abc/def", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a*b", "a/b", false),
            ("*", "dir/file", true),
            (".*", ".git/x", true),
            ("docs\n!docs/README.md", "docs/README.md", false),
            ("docs\n!docs/README.md", "docs/x", true),
            ("!docs/README.md\ndocs", "docs/README.md", true),
            ("*\n!src\nsrc/*.o", "src/a.o", true),
            ("*\n!src\nsrc/*.o", "src/a.c", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("/target", "target/x", true),
            ("./target/", "target/x", true),
            ("sub/../target", "target", true),
            ("target", "sub/target", false),
            (".", "x", false),
            ("/", "x", false),
            ("#x", "#x", false),
            (" #x", "#x", true),
            ("\u{feff}x", "x", true),
            ("x\r\n", "x", true),
            ("! a", "a", false),
            ("a(b)+{c}|d", "a(b)+{c}|d", true),
            // The odd results of Docker 28.5.
            ("pages/[[]id].js", "pages/[id].js", true),
            ("what[?].txt", "what?.txt", false),
            ("what[?].txt", "what[].txt", true),
            ("what[*].txt", "what*.txt", false),
            ("logs\\2024", "logs2024", false),
            ("*.log|*.tmp", "a.log", true),
            ("*.log|*.tmp", "b.tmp", true),
            ("*.log|*.tmp", "b.txt", false),
            ("[a&&b]*", "&x", true),
            ("[a&&b]*", "bx", true),
            ("[a~~b]*", "ax", true),
            ("a*{c", "abc", false),
            ("a*{c", "ab{c", true),
            ("node_modules", "node_modules/a/b/c", true),
            ("**/node_modules\n!keep/node_modules", "keep/node_modules/x", false),
        ] {
            assert_eq!(excludes(patterns, path), excluded, "{patterns:?} {path:?}");
        }
    }

    #[test]
    fn malformed_patterns_are_named() {
        for (text, line) in [
            ("ok\n[", 2),
            ("a\n\nb[]", 3),
            ("!", 1),
            ("!/", 1),
            ("*{1}", 1),
            ("x\\", 1),
            ("[a-]", 1),
        ] {
            let error = Ignore::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.to_string().contains("malformed"), "{error}");
        }
    }

    #[test]
    fn a_directory_is_entered_only_if_something_may_come_of_it() {
        let ignore = Ignore::parse("*\n!a/b/c\n!d").unwrap();
        assert!(ignore.may_reinclude_below("a") && ignore.may_reinclude_below("a/b"));
        assert!(!ignore.may_reinclude_below("x") && !ignore.may_reinclude_below("a/x"));
        assert!(Ignore::parse("*\n!**/x").unwrap().may_reinclude_below("y"));
        assert!(!Ignore::parse("*").unwrap().may_reinclude_below("y"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s)\\PC{0,60}|[!*?/a\\[\\]\\\\^.\n-]{0,40}", path in "[a-c/*.]{1,20}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                let excluded = ignore.excludes(&path);
                // Pruning never loses an included path.
                let mut matched = Matched::default();
                for (end, _) in path.match_indices('/') {
                    let above = &path[..end];
                    matched = ignore.matches(above, &matched);
                    if matched.excluded() && !ignore.may_reinclude_below(above) {
                        prop_assert!(excluded, "{} below {}", path, above);
                    }
                }
            }
        }
    }
}

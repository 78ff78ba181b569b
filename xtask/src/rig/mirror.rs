//! The Debian mirror that this machine is configured to use.

use std::fs;

use crate::{Outcome, apt};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Returns the line of a `sources.list` for another suite on the same mirror.
pub(super) fn line(suite: &str) -> Outcome<String> {
    let release = apt::release("VERSION_CODENAME");
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let files = folder.map(|entry| entry.path()).chain(["/etc/apt/sources.list".into()]);
    let mirror = files
        .filter(|file| file.extension().is_some_and(|end| end == "sources" || end == "list"))
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| of(&text, &release));
    let mirror = mirror.ok_or_else(|| {
        format!("no mirror of {release} is named in /etc/apt/sources.list or sources.list.d")
    })?;
    Ok(format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))
}

/// Returns the mirror of a release's `main` in one file, in either format.
fn of(text: &str, release: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| of_stanza(stanza, release)).or_else(|| {
        text.lines().find_map(|line| {
            // Options in brackets contain no address.
            let words = line.split_whitespace().filter(|word| !word.contains(['[', ']', '=']));
            match words.collect::<Vec<_>>()[..] {
                ["deb", mirror, suite, "main", ..] if suite == release => Some(mirror.to_owned()),
                _ => None,
            }
        })
    })
}

fn of_stanza(stanza: &str, release: &str) -> Option<String> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("")
    };
    let has = |name: &str, value: &str| field(name).split_whitespace().any(|word| word == value);
    let fits = has("Suites", release) && has("Components", "main") && !has("Enabled", "no");
    fits.then(|| field("URIs").split_whitespace().next().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_of_the_release_is_found_in_both_forms() {
        let new = "Types: deb\nURIs: http://s/sec\nSuites: x-security\nComponents: main\n\n\
                   Types: deb\n# why\nURIs: http://m/debian\nSuites: x x-updates\nComponents: main\n";
        assert_eq!(of(new, "x").as_deref(), Some("http://m/debian"));
        let old = "deb http://s/sec x-security main\n# deb http://no x main\n\
                   deb [arch=amd64 trusted=yes] http://m/debian x main contrib\n";
        assert_eq!(of(old, "x").as_deref(), Some("http://m/debian"));
        assert_eq!(of(old, "y"), None);
    }

    #[test]
    fn a_source_that_is_switched_off_does_not_count() {
        let text = "Enabled: no\nURIs: http://m/debian\nSuites: x\nComponents: main\n";
        assert_eq!(of(text, "x"), None);
    }
}

//! The public API without the feature `unstable-bollard` names no type of a crate below 1.0.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The crate of the common `Stream` trait, until the standard library has one.
const EXEMPT: &str = "futures_core";

#[test]
fn the_public_api_names_no_unstable_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let crates = unstable_crates(&manifest);
    assert!(crates.contains("bollard") && !crates.contains("hyper"), "{crates:?}");

    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 100);
    let texts: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let aliases: BTreeSet<_> = texts.iter().flat_map(|text| aliases(text, &crates)).collect();
    assert!(aliases.contains("CreateBody"), "{aliases:?}");
    let mut found = Vec::new();
    for (file, text) in files.iter().zip(&texts) {
        let named = foreign_names(text, &crates, &aliases).into_iter();
        found.extend(named.map(|item| format!("{}: {item}", file.display())));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_foreign_name_in_a_public_signature_is_found() {
    let crates = BTreeSet::from(["bollard".to_owned()]);
    let imports = "use bollard::{Docker, models::Ipam as Range};\nuse crate::spec::Port;\n";
    let aliases = aliases(&format!("{imports}type Body = Docker;\ntype Own = Port;"), &crates);
    assert_eq!(aliases, ["Body"]);
    let aliases = BTreeSet::from_iter(aliases);
    let found = |item: &str| foreign_names(&format!("{imports}{item}"), &crates, &aliases).len();
    for item in [
        "pub fn client(&self) -> &Docker {",
        "pub fn client(\n    &self,\n    range: Range,\n) {",
        "    pub range: Range,",
        "pub type Body = bollard::models::Body;",
        "pub fn with_raw(edit: impl Fn(&mut Body)) {",
        "pub use bollard::Docker;",
        "impl From<bollard::errors::Error> for Error {",
        "pub trait Wait {\n    fn ask(&self, of: &Docker);\n}",
        "#[cfg(feature = \"other\")]\npub fn client(&self) -> &Docker {",
    ] {
        assert_eq!(found(item), 1, "{item}");
    }
    for item in [
        "pub fn port(&self) -> Port {",
        "pub(crate) fn client(&self) -> &Docker {",
        "fn ask(of: &Docker) {",
        "/// See Docker.\npub fn port(&self) {",
        "#[cfg(feature = \"unstable-bollard\")]\n#[must_use]\npub fn client(&self) -> &Docker {",
    ] {
        assert_eq!(found(item), 0, "{item}");
    }
}

/// Returns the names of the dependencies whose version begins with `0.`, as code spells them.
fn unstable_crates(manifest: &str) -> BTreeSet<String> {
    let line = Regex::new(r#"^([a-z0-9_-]+) = (?:\{ version = )?"0\."#).unwrap();
    let sections = manifest.split("\n[");
    let listed = sections
        .filter(|section| section.starts_with("dependencies]") || section.starts_with("target."));
    listed
        .flat_map(str::lines)
        .filter_map(|text| Some(line.captures(text)?[1].replace('-', "_")))
        .filter(|name| name != EXEMPT)
        .collect()
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, files);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// Returns the public declarations of a file that name something of these crates.
fn foreign_names(text: &str, crates: &BTreeSet<String>, aliases: &BTreeSet<String>) -> Vec<String> {
    let text = without_tests(text);
    let foreign = foreign(text, crates, aliases);
    declarations(text).into_iter().filter(|item| foreign.is_match(item)).collect()
}

/// Returns the names that a file gives to types of these crates.
fn aliases(text: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let text = without_tests(text);
    let foreign = foreign(text, crates, &BTreeSet::new());
    // An indented one belongs to an implementation of a trait.
    static ALIAS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^(?:pub(?:\([^)]*\))? )?type (\w+) = ([^;]+);").unwrap());
    let found = ALIAS.captures_iter(text).filter(|found| foreign.is_match(&found[2]));
    found.map(|found| found[1].to_owned()).collect()
}

/// Returns a pattern for a path into these crates, a name that the file imports from them, or an
/// alias.
fn foreign(text: &str, crates: &BTreeSet<String>, aliases: &BTreeSet<String>) -> Regex {
    static IMPORT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^\s*use (\w+)::([^;]+);").unwrap());
    static LAST_NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b([A-Z]\w*)\s*(?:[,}]|$)").unwrap());
    let mut names: BTreeSet<_> = aliases.iter().map(|name| format!(r"{name}\b")).collect();
    names.extend(crates.iter().map(|name| format!("{name}::")));
    for found in IMPORT.captures_iter(text).filter(|found| crates.contains(&found[1])) {
        names.extend(LAST_NAME.captures_iter(&found[2]).map(|name| format!(r"{}\b", &name[1])));
    }
    let names = names.into_iter().collect::<Vec<_>>().join("|");
    Regex::new(&format!(r"\b(?:{names})")).unwrap()
}

fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\n").next().unwrap_or_default()
}

/// Returns the declarations of a file that others may see, without their bodies.
fn declarations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut exempt, mut in_trait) = (false, false);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start();
        if item.starts_with("#[") {
            exempt |= item.contains(r#"feature = "unstable-bollard""#) && !item.contains("not(");
            continue;
        }
        if item.starts_with("//") {
            continue;
        }
        in_trait = (in_trait || item.starts_with("pub trait ")) && line != "}";
        let public = item.starts_with("pub ")
            || item.starts_with("impl From<")
            || (in_trait && item.starts_with("fn "));
        if public && !exempt {
            let mut whole = item.to_owned();
            while !whole.ends_with(['{', ';', '}']) && !whole.ends_with("),") {
                // A field ends with a comma; so does a parameter, after an open parenthesis.
                if whole.ends_with(',') && whole.matches('(').count() == whole.matches(')').count()
                {
                    break;
                }
                let Some(more) = lines.next() else { break };
                whole.push_str(more.trim_start());
            }
            found.push(whole);
        }
        exempt = false;
    }
    found
}

//! `cargo xtask package`: checks that packages have the files that a user needs, and no others.

use std::fs;
use std::path::Path;

use crate::command::{command, output};
use crate::{Outcome, paths};

/// The published crates, with their folders.
const CRATES: [(&str, &str); 2] = [("castoff", "."), ("castoff-modules", "modules")];

/// The files that a package may have beside `src/`; cargo adds the first four itself.
const FILES: [&str; 8] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
];
/// The files that each package must have.
const NEEDED: [&str; 4] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

/// Limit for the total size of a package's files, before compression, in bytes.
const LIMIT: u64 = 3 << 20;

/// Fails if a package has a file too many or too few, or is too large.
pub(crate) fn check() -> Outcome {
    for (name, folder) in CRATES {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut list = command(cargo);
        list.args(["package", "--list", "--allow-dirty", "--package", name]);
        list.current_dir(paths::root());
        let list = output(list)?;
        let problems = problems(&list);
        if !problems.is_empty() {
            let problems = problems.join("\n  ");
            return Err(format!("the package {name}, by `include` in Cargo.toml:\n  {problems}"));
        }
        let size = size(&paths::root().join(folder), &list);
        if size > LIMIT {
            return Err(format!("the package {name} has {size} bytes; {LIMIT} are the limit"));
        }
        println!("{name}: {} files, {} KiB", list.lines().count(), size >> 10);
    }
    Ok(())
}

/// Returns the files that should not be in the list, and those that are missing.
fn problems(list: &str) -> Vec<String> {
    let allowed = |file: &&str| file.starts_with("src/") || FILES.contains(file);
    let too_many = list.lines().filter(|file| !allowed(file));
    let missing = NEEDED.iter().filter(|needed| !list.lines().any(|file| file == **needed));
    let too_many = too_many.map(|file| format!("{file} is not meant to be published"));
    too_many.chain(missing.map(|file| format!("{file} is missing"))).collect()
}

fn size(folder: &Path, list: &str) -> u64 {
    // Files that cargo generates are not in the folder.
    list.lines()
        .filter_map(|file| fs::metadata(folder.join(file)).ok())
        .map(|data| data.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &str) -> String {
        fs::read_to_string(paths::root().join(file)).expect(file)
    }

    #[test]
    fn a_test_corpus_and_a_missing_license_are_found() {
        let list = "Cargo.toml\nLICENSE-MIT\nREADME.md\nsrc/lib.rs\ntests/dockerfiles/1";
        let found =
            ["tests/dockerfiles/1 is not meant to be published", "LICENSE-APACHE is missing"];
        assert_eq!(problems(list), found);
        assert!(problems(&NEEDED.join("\n")).is_empty());
    }

    #[test]
    fn the_readme_has_at_most_200_lines_and_its_links_lead_to_files() {
        let readme = text("README.md");
        assert!(readme.lines().count() <= 200, "{}", readme.lines().count());
        let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(paths::root().join(link).exists(), "{link}");
        }
    }

    #[test]
    fn each_page_of_the_guide_is_in_its_contents_and_in_the_readme() {
        let (contents, readme) = (text("src/guide/mod.rs"), text("README.md"));
        let folder = fs::read_dir(paths::root().join("src/guide")).expect("the guide");
        for file in folder.map(|entry| entry.expect("a page").file_name()) {
            let file = file.to_string_lossy().into_owned();
            if let Some(page) = file.strip_suffix(".md") {
                assert!(contents.contains(&format!("]({page}) |")), "{page}");
                assert!(contents.contains(&format!("include_str!(\"{file}\")")), "{page}");
                assert!(readme.contains(&format!("(src/guide/{file})")), "{page}");
            }
        }
    }

    #[test]
    fn each_module_is_in_the_guide_and_in_the_docs_of_its_crate() {
        let (guide, docs) = (text("src/guide/modules.md"), text("modules/src/lib.rs"));
        let manifest = text("modules/Cargo.toml");
        let features = manifest.split("\n[features]\n").nth(1).expect("features");
        let features = features.split("\n[").next().expect("features");
        let names = features.lines().filter_map(|line| line.split_once(" = ["));
        for name in names.map(|(name, _)| name) {
            if !["default", "full", "tls"].contains(&name) {
                assert!(guide.contains(&format!("| [`{name}`](")), "{name}");
                assert!(docs.contains(&format!("| `{name}` |")), "{name}");
            }
        }
    }
}

//! The files of a folder may import from each other, but not in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders whose files are checked.
const FOLDERS: [&str; 9] = [
    "forks",
    "engine",
    "registry",
    "reaper",
    "reaper/guardian",
    "wait",
    "container",
    "image",
    "image/context",
];

/// The circles that exist, each with its reason.
const ALLOWED: [(&str, &[&str], &str); 8] = [
    (
        "reaper/guardian",
        &["child", "lease", "ours", "remove"],
        "one loop of a process that may call nothing else: the child's clock is below its passes",
    ),
    (
        "reaper/guardian",
        &["intermediate_images", "message", "sys", "work"],
        "one block of memory, mapped as a whole: its parts have their sizes from it",
    ),
    (
        "wait",
        &[
            "combined", "exec", "exit", "file", "health", "http", "log", "pause", "port", "probe",
            "wait_for",
        ],
        "`WaitFor` makes each wait, and each wait becomes a `WaitFor`",
    ),
    ("container", &["copy", "kept", "pack", "tmpfs"], "a source of a copy packs itself"),
    ("container", &["lines", "logs"], "logs are read by line, and lines are made of logs"),
    (
        "container",
        &["builder", "capture", "consumers", "exec", "handle", "plan"],
        "a builder starts a handle, and `Container::builder` makes a builder",
    ),
    ("image", &["build", "handle", "images"], "a build gives a handle, which makes builds"),
    ("postgres", &["builder", "prepared"], "a server's data is prepared by a server of its own"),
];

#[test]
fn files_of_a_folder_do_not_import_in_a_circle() {
    let allowed = |folder: &str| -> BTreeSet<BTreeSet<String>> {
        let here = ALLOWED.iter().filter(|(of, _, _)| *of == folder);
        here.map(|(_, circle, _)| circle.iter().map(|&name| name.to_owned()).collect()).collect()
    };
    for folder in FOLDERS {
        assert_eq!(circles(&imports("src", folder)), allowed(folder), "src/{folder}");
    }
    for module in std::fs::read_dir(root("modules/src")).unwrap() {
        let module = module.unwrap();
        if module.path().join("mod.rs").exists() {
            let name = module.file_name().into_string().unwrap();
            assert_eq!(circles(&imports("modules/src", &name)), allowed(&name), "{name}");
        }
    }
}

/// The imports of each file, or folder, of a folder from others of it.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn imports(of: &str, folder: &str) -> Imports {
    let root = root(of).join(folder);
    let mut files = Vec::new();
    collect(&root, &mut Vec::new(), &mut files);
    let names: BTreeSet<String> =
        files.iter().filter_map(|(path, _)| path.first().cloned()).collect();
    let re_exports = re_exports(&code(&root.join("mod.rs")));
    let absolute = format!("crate::{}::", folder.replace('/', "::"));
    let mut imports = Imports::new();
    for (path, text) in files {
        let Some(own) = path.first() else { continue };
        let relative = "super::".repeat(path.len());
        let used = paths(&text, &relative).into_iter().chain(paths(&text, &absolute));
        let used = used.filter_map(|name| {
            if names.contains(&name) { Some(name) } else { re_exports.get(&name).cloned() }
        });
        imports.entry(own.clone()).or_default().extend(used.filter(|name| name != own));
    }
    imports
}

/// Collects the files below a folder: the modules that lead to each, and its code without its
/// tests.
fn collect(dir: &Path, at: &mut Vec<String>, files: &mut Vec<(Vec<String>, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            at.push(name);
            collect(&path, at, files);
            at.pop();
        } else if name == "mod" {
            files.push((at.clone(), code(&path)));
        } else if !name.ends_with("tests") {
            files.push((at.iter().cloned().chain([name]).collect(), code(&path)));
        }
    }
}

fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    // Comments and string literals are left out, as they may contain paths.
    let line =
        |line: &str| line.split("//").next().unwrap().split('"').step_by(2).collect::<String>();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the names that a `mod.rs` re-exports, and the module of each.
fn re_exports(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for statement in text.split(';') {
        let Some((_, path)) = statement.split_once("use ") else { continue };
        let Some((module, items)) = path.trim().split_once("::") else { continue };
        for item in items.trim_matches(['{', '}']).split(',') {
            let name = item.rsplit(' ').find(|word| !word.is_empty()).unwrap_or_default();
            found.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    found
}

/// Returns the first names after a prefix, also those in braces.
fn paths(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices(prefix) {
        let before = text[..start].chars().next_back().unwrap_or(' ');
        let after = &text[start + prefix.len()..];
        // This is part of a longer path, which is another folder's.
        if before.is_alphanumeric() || matches!(before, '_' | ':') || after.starts_with("super::") {
            continue;
        }
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut item = String::new();
            for character in group.chars() {
                match character {
                    '}' if depth == 0 => break,
                    ',' if depth == 0 => found.push(std::mem::take(&mut item)),
                    _ => item.push(character),
                }
                depth = match character {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
            }
            found.push(item);
        } else {
            found.push(after.to_owned());
        }
    }
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    found
        .iter()
        .map(|path| path.trim_start().chars().take_while(|&next| is_name(next)).collect())
        .collect()
}

/// Returns the largest sets of files in which each leads to all others.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|from| (from, reach(imports, from))).collect();
    let circle = |from: &String| -> BTreeSet<String> {
        let back = |to: &&&String| reached.get(*to).is_some_and(|there| there.contains(from));
        reached[from].iter().filter(back).map(|&to| to.clone()).collect()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

fn reach<'a>(imports: &'a Imports, from: &str) -> BTreeSet<&'a String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(here) = next.pop() {
        for there in imports.get(here).into_iter().flatten() {
            if seen.insert(there) {
                next.push(there);
            }
        }
    }
    seen
}

#[test]
fn a_circle_is_found_and_a_chain_is_none() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in pairs {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            imports.entry((*to).to_owned()).or_default();
        }
        imports
    };
    assert!(circles(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found = circles(&imports(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
    assert_eq!(found, BTreeSet::from([BTreeSet::from(["b".to_owned(), "c".to_owned()])]));
    let text = "use super::{a::B, c::{D, e}, F};\nsuper::g::h();\nuse super::super::i::J;";
    assert_eq!(paths(text, "super::"), ["a", "c", "F", "g"]);
    assert_eq!(paths(text, "super::super::"), ["i"]);
}

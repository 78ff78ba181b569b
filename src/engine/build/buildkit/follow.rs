//! Selects the part of a tree that a step needs.
//!
//! BuildKit asks for a tree once for each use of it, with the paths that it follows (`followpaths`
//! of `moby.filesync.v1.FileSync`). More than that may be sent, but not less.

use std::collections::BTreeSet;

use tonic::metadata::MetadataMap;

use super::super::{Content, Tree, TreeEntry};

/// Limit for links that are followed.
const LINKS: usize = 255;

/// Returns the paths of a request; `None` for all.
pub(super) fn paths(metadata: &MetadataMap) -> Option<Vec<String>> {
    // A path that is not ASCII is encoded, or left out.
    if metadata.contains_key("followpaths-encoded") {
        return None;
    }
    let values = metadata.get_all("followpaths").into_iter();
    let paths: Vec<String> =
        values.map(|value| value.to_str().ok().map(str::to_owned)).collect::<Option<_>>()?;
    (!paths.is_empty()).then_some(paths)
}

/// Returns the numbers of the entries that these paths need: the paths themselves, their content,
/// their parents, and the targets of links on the way. `None` for all.
pub(super) fn wanted(tree: &Tree, paths: &[String]) -> Option<Vec<usize>> {
    let entries = tree.entries();
    let mut open: Vec<Vec<String>> =
        paths.iter().map(|path| literal(path)).collect::<Option<_>>()?;
    let mut found = BTreeSet::new();
    let mut links = 0;
    while let Some(path) = open.pop() {
        let mut reached = String::new();
        for (depth, part) in path.iter().enumerate() {
            if !reached.is_empty() {
                reached.push('/');
            }
            reached.push_str(part);
            let Some(at) = number(entries, &reached) else { break };
            found.insert(at);
            if let Content::Link(target) = &entries[at].content {
                links += 1;
                if links > LINKS {
                    return None;
                }
                open.push(led(&path[..depth], target, &path[depth + 1..])?);
                break;
            }
            if depth + 1 == path.len() {
                let inside = format!("{reached}/");
                let rest = entries[at + 1..].iter().take_while(|one| one.path.starts_with(&inside));
                found.extend(at + 1..=at + rest.count());
            }
        }
    }
    Some(found.into_iter().collect())
}

fn number(entries: &[TreeEntry], path: &str) -> Option<usize> {
    entries.binary_search_by(|entry| super::super::tree::compare(&entry.path, path)).ok()
}

/// Returns the part of a path before its first wildcard; `None` if that is the whole tree.
fn literal(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<String> =
        parts.take_while(|part| !part.contains(['*', '?', '[', '\\'])).map(str::to_owned).collect();
    (!parts.is_empty() && !parts.iter().any(|part| part == "..")).then_some(parts)
}

/// Resolves a link within the tree.
fn led(parent: &[String], target: &str, rest: &[String]) -> Option<Vec<String>> {
    let mut path = if target.starts_with('/') { Vec::new() } else { parent.to_vec() };
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(path.pop()),
            part => path.push(part.to_owned()),
        }
    }
    path.extend_from_slice(rest);
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[(&str, Content)]) -> Tree {
        let entry = |(path, content): &(&str, Content)| TreeEntry {
            path: (*path).to_owned(),
            mode: 0o644,
            modified: 0,
            size: 0,
            content: content.clone(),
        };
        Tree::new(paths.iter().map(entry).collect())
    }

    fn asked(tree: &Tree, paths: &[&str]) -> Option<Vec<String>> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let numbers = wanted(tree, &paths)?;
        Some(numbers.into_iter().map(|at| tree.entries()[at].path.clone()).collect())
    }

    #[test]
    fn a_path_needs_itself_what_is_in_it_and_what_it_is_in() {
        let file = || Content::Bytes("x".into());
        let link = |to: &str| Content::Link(to.to_owned());
        let tree = tree(&[
            ("a", Content::Directory),
            ("a/b", Content::Directory),
            ("a/b/c", file()),
            ("a/b-d", file()),
            ("go.mod", file()),
            ("link", link("a/b")),
            ("round", link("round")),
            ("up", link("../../a/./b-d")),
            ("whole", link("/")),
        ]);
        let some = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        for (paths, expected) in [
            (vec!["go.mod"], vec!["go.mod"]),
            (vec!["./a/b/", "none"], vec!["a", "a/b", "a/b/c"]),
            (vec!["a/b/*.rs"], vec!["a", "a/b", "a/b/c"]),
            (vec!["link/c"], vec!["a", "a/b", "a/b/c", "link"]),
            (vec!["up"], vec!["a", "a/b-d", "up"]),
            (vec!["none/x"], vec![]),
        ] {
            assert_eq!(asked(&tree, &paths), Some(some(&expected)), "{paths:?}");
        }
        for all in [vec!["."], vec!["/"], vec!["go.mod", "*"], vec!["../a"], vec!["round"]] {
            assert_eq!(asked(&tree, &all), None, "{all:?}");
        }
        assert_eq!(asked(&tree, &["whole"]), None);
    }
}

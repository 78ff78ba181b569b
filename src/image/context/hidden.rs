//! The classic builder's Dockerfile: sent with the context, but copied by no `COPY`.
//!
//! The engine reads the Dockerfile from the archive, and then removes it and `.dockerignore` if the
//! latter's patterns match them (moby, `builder/remotecontext/detect.go`, `removeDockerfile`).
//! Podman applies these patterns to each `COPY`.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::dockerignore::Ignore;
use crate::engine::{Content, Tree, TreeEntry};

/// The name of Docker's own file of patterns.
const IGNORE: &str = ".dockerignore";
const NAME: &str = ".castoff.Dockerfile";

/// A context that contains a Dockerfile, and the path of the Dockerfile.
pub(in crate::image) struct Hidden {
    pub(in crate::image) tree: Arc<Tree>,
    pub(in crate::image) name: String,
}

/// Adds a Dockerfile to a context without changing what a `COPY` of the context copies; blocks.
///
/// If the context has no `.dockerignore`, one is added that matches itself and the Dockerfile. If
/// it has one, which must reach the image unchanged, the Dockerfile gets a name that the patterns
/// match already, or an existing file with the same content is used. If neither is possible, a line
/// is added to the `.dockerignore`, as by `docker build -f` with a Dockerfile from elsewhere.
pub(in crate::image) fn hide(tree: &Arc<Tree>, dockerfile: &str) -> io::Result<Hidden> {
    let name = fresh(tree);
    let text = file(&name, Bytes::copy_from_slice(dockerfile.as_bytes()));
    let Some(ignore) = entry(tree, IGNORE) else {
        let patterns = file(IGNORE, Bytes::from(format!("{IGNORE}\n{name}\n")));
        return Ok(Hidden { tree: with(tree, [patterns, text]), name });
    };
    if !ignore.is_file() {
        // It is a link or a directory, in which no engine looks for patterns.
        return Ok(Hidden { tree: with(tree, [text]), name });
    }
    let mut patterns = Vec::new();
    ignore.open()?.read_to_end(&mut patterns)?;
    let read = Ignore::parse(&String::from_utf8_lossy(&patterns)).unwrap_or_default();
    if let Some(name) = ignored_name(tree, &read, &String::from_utf8_lossy(&patterns)) {
        return Ok(Hidden { tree: with(tree, [TreeEntry { path: name.clone(), ..text }]), name });
    }
    if let Some(name) = same(tree, &read, dockerfile)? {
        return Ok(Hidden { tree: tree.clone(), name });
    }
    patterns.extend_from_slice(format!("\n{name}\n").as_bytes());
    let size = patterns.len() as u64;
    let patterns = TreeEntry { content: Content::Bytes(patterns.into()), size, ..ignore.clone() };
    Ok(Hidden { tree: with(tree, [patterns, text]), name })
}

fn entry<'a>(tree: &'a Tree, path: &str) -> Option<&'a TreeEntry> {
    tree.entries().iter().find(|entry| entry.path == path)
}

/// Returns a name that no file of the context has.
fn fresh(tree: &Tree) -> String {
    let mut name = NAME.to_owned();
    while entry(tree, &name).is_some() {
        name.push('_');
    }
    name
}

fn file(path: &str, content: Bytes) -> TreeEntry {
    let size = content.len() as u64;
    let content = Content::Bytes(content);
    TreeEntry { path: path.to_owned(), mode: 0o644, modified: 0, size, content }
}

fn with<const N: usize>(tree: &Tree, further: [TreeEntry; N]) -> Arc<Tree> {
    let mut entries = tree.entries().to_vec();
    entries.extend(further);
    Arc::new(Tree::new(entries))
}

/// Returns an unused name in the context's root that the patterns match.
fn ignored_name(tree: &Tree, ignore: &Ignore, patterns: &str) -> Option<String> {
    let plain = |line: &str| {
        let pattern = line.trim().trim_matches('/');
        let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
        pattern.replace("**", "*").replace('*', NAME).replace('?', "_")
    };
    let fits = |name: &String| {
        let odd = name.is_empty() || name.contains(['/', '[', '\\', '!', '#']);
        !odd && !matches!(name.as_str(), IGNORE | "." | "..")
            && name.len() < 200
            && ignore.excludes(name)
            && entry(tree, name).is_none()
    };
    patterns.lines().map(plain).find(fits)
}

/// Returns a file with the Dockerfile's content that stays in the context.
fn same(tree: &Tree, ignore: &Ignore, dockerfile: &str) -> io::Result<Option<String>> {
    for entry in tree.entries() {
        let alike = entry.is_file() && entry.size == dockerfile.len() as u64;
        if !alike || ignore.excludes(&entry.path) {
            continue;
        }
        let mut content = Vec::new();
        entry.open()?.read_to_end(&mut content)?;
        if content == dockerfile.as_bytes() {
            return Ok(Some(entry.path.clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the files that remain in the context after the engine has removed its own.
    fn left(files: &[(&str, &str)], dockerfile: &str) -> Vec<(String, String)> {
        let files =
            files.iter().map(|(path, text)| file(path, Bytes::copy_from_slice(text.as_bytes())));
        let hidden = hide(&Arc::new(Tree::new(files.collect())), dockerfile).unwrap();
        let text = |entry: &TreeEntry| {
            let mut text = String::new();
            entry.open().unwrap().read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(text(entry(&hidden.tree, &hidden.name).unwrap()), dockerfile);
        let ignore = entry(&hidden.tree, IGNORE).map(text).unwrap_or_default();
        let ignore = Ignore::parse(&ignore).unwrap();
        let removed = |path: &str| (path == IGNORE || path == hidden.name) && ignore.excludes(path);
        let entries = hidden.tree.entries().iter().filter(|entry| !removed(&entry.path));
        entries.map(|entry| (entry.path.clone(), text(entry))).collect()
    }

    #[test]
    fn a_dockerfile_leaves_the_context_as_it_is() {
        for files in [
            vec![("a", "1")],
            vec![(".castoff.Dockerfile", "mine"), ("a", "1")],
            vec![(".dockerignore", "target\n"), ("a", "1")],
            vec![(".dockerignore", "# logs\n\n**/*.log\n!keep.log\n"), ("keep.log", "1")],
            vec![(".dockerignore", "/node_modules/\n"), ("a", "1")],
            vec![(".dockerignore", "# nothing\n"), ("Dockerfile", "FROM x")],
            vec![(".dockerignore", "a/b\n"), ("Dockerfile", "FROM x"), ("a", "")],
        ] {
            let as_it_is: Vec<_> =
                files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
            assert_eq!(left(&files, "FROM x"), as_it_is, "{files:?}");
        }
        let left = left(&[(".dockerignore", "# nothing")], "FROM x");
        assert_eq!(left, [(IGNORE.to_owned(), format!("# nothing\n{NAME}\n"))]);
    }
}

//! The recipes of the test images: one folder each, their order, and their hashes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, base, paths};

/// The prefix of every test image's name.
pub(crate) const PREFIX: &str = "castoff.test/";

/// The recipe of an image.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The name after `castoff.test/`.
    pub(crate) name: String,
    /// The folder with its Dockerfile; `None` for the Debian base.
    pub(crate) folder: Option<PathBuf>,
    /// The test images that it is based on.
    pub(crate) parents: Vec<String>,
    /// A hash of the folder and of the images that it is based on.
    pub(crate) hash: String,
}

impl Recipe {
    /// Returns the full reference.
    pub(crate) fn reference(&self) -> String {
        format!("{PREFIX}{}:latest", self.name)
    }
}

/// Returns every test image, each after the ones that it is based on.
pub(crate) fn all() -> Outcome<Vec<Recipe>> {
    let folder = paths::root().join("tests").join("images");
    let mut folders = BTreeMap::new();
    for path in entries(&folder)? {
        if path.join("Dockerfile").is_file() {
            folders.insert(name(&path), path);
        }
    }
    let mut done = Vec::new();
    for name in folders.keys() {
        visit(name, &folders, &mut done, 0)?;
    }
    Ok(done)
}

/// Returns the images with these names, and the ones that they are based on, in the same order.
pub(crate) fn with_parents(recipes: Vec<Recipe>, names: &[&str]) -> Outcome<Vec<Recipe>> {
    let mut wanted: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut kept = Vec::new();
    // Each comes after the images that it is based on, so in reverse order their names are known in
    // time.
    for recipe in recipes.into_iter().rev() {
        if wanted.contains(&recipe.name) {
            wanted.extend(recipe.parents.iter().cloned());
            kept.push(recipe);
        }
    }
    kept.reverse();
    match wanted.iter().find(|name| kept.iter().all(|recipe| recipe.name != **name)) {
        Some(name) => Err(format!("there is no test image {name}")),
        None => Ok(kept),
    }
}

fn visit(
    image: &str,
    folders: &BTreeMap<String, PathBuf>,
    done: &mut Vec<Recipe>,
    depth: usize,
) -> Outcome<String> {
    if let Some(known) = done.iter().find(|recipe| recipe.name == image) {
        return Ok(known.hash.clone());
    }
    if depth > folders.len() {
        return Err(format!("the test images build on each other in a circle, at {image}"));
    }
    let mut hash = Fnv::new();
    let folder = folders.get(image).cloned();
    let mut built_on = Vec::new();
    match &folder {
        None if image == base::NAME => hash.add(base::VERSION.as_bytes()),
        None => return Err(format!("tests/images/{image} does not exist, and is built on")),
        Some(folder) => {
            hash_folder(folder, &mut hash)?;
            let dockerfile = folder.join("Dockerfile");
            let text = fs::read_to_string(&dockerfile)
                .map_err(|e| format!("cannot read {}: {e}", dockerfile.display()))?;
            built_on = parents(&text);
            for parent in &built_on {
                hash.add(visit(parent, folders, done, depth + 1)?.as_bytes());
            }
        }
    }
    let hash = hash.finish();
    let (name, parents) = (image.to_owned(), built_on);
    done.push(Recipe { name, folder, parents, hash: hash.clone() });
    Ok(hash)
}

/// Returns the test images in `FROM` lines and `COPY --from` options.
fn parents(dockerfile: &str) -> Vec<String> {
    let lines = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(str::split_whitespace);
    let names = words.filter_map(|word| {
        let word = word.strip_prefix("--from=").unwrap_or(word);
        word.strip_prefix(PREFIX)?.split(':').next().map(str::to_owned)
    });
    names.collect()
}

fn hash_folder(folder: &Path, hash: &mut Fnv) -> Outcome {
    for path in entries(folder)? {
        hash.add(name(&path).as_bytes());
        if path.is_dir() {
            hash_folder(&path, hash)?;
        } else {
            let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            hash.add(&bytes);
        }
    }
    Ok(())
}

/// Returns the entries of a folder, sorted by name.
pub(crate) fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let read = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A hash by FNV-1a with 64 bits: stable, and enough to distinguish edits.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        // The length keeps neighbors apart.
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_from_stages_and_copies_but_not_comments() {
        let text = "# castoff.test/no\nFROM castoff.test/debian AS a\nCOPY --from=castoff.test/busybox:latest /a /b\n";
        assert_eq!(parents(text), ["debian", "busybox"]);
    }

    #[test]
    fn images_follow_what_they_build_on() {
        let all = all().unwrap();
        let at = |name: &str| all.iter().position(|recipe| recipe.name == name).unwrap();
        assert!(at("debian") < at("redis"));
        assert!(at("busybox") < at("web"));
        assert_eq!(all[at("redis")].parents, ["debian"]);
    }

    #[test]
    fn some_images_come_with_what_they_build_on_and_nothing_else() {
        let some = with_parents(all().unwrap(), &["redis", "web"]).unwrap();
        let at = |name: &str| some.iter().position(|recipe| recipe.name == name).unwrap();
        assert!(at("debian") < at("redis") && at("busybox") < at("web"));
        assert_eq!(some.len(), 4);
        assert!(with_parents(all().unwrap(), &["no-such-image"]).is_err());
    }

    #[test]
    fn the_hash_tells_where_one_part_ends() {
        let hash = |parts: &[&str]| {
            let mut fnv = Fnv::new();
            parts.iter().for_each(|part| fnv.add(part.as_bytes()));
            fnv.finish()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }
}

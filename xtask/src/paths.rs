//! Paths in the repository.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Returns the workspace root.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR")
        .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Returns a path in `target/xtask/`, for logs, pid files and build contexts; creates the folder.
pub(crate) fn scratch(name: &str) -> Outcome<PathBuf> {
    let folder = root().join("target").join("xtask");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder.join(name))
}

/// Writes a file, creating its parent folders.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))
}

//! The build context of the busybox image: its folder plus the host distribution's static binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::command::{command, find, output};
use crate::recipe::entries;
use crate::{Outcome, apt, paths};

/// The image's name.
pub(crate) const NAME: &str = "busybox";

/// Copies the folder and puts the binary next to the Dockerfile.
pub(crate) fn context(folder: &Path) -> Outcome<PathBuf> {
    let context = paths::scratch(&format!("busybox-{}", process::id()))?;
    drop(fs::remove_dir_all(&context));
    let unpacked = context.join("package");
    fs::create_dir_all(&unpacked).map_err(|e| e.to_string())?;
    for file in entries(folder)? {
        copy(&file, &context.join(file.file_name().unwrap_or_default()))?;
    }
    let binary = from_package(&unpacked).or_else(installed)?;
    copy(&binary, &context.join("busybox"))?;
    fs::remove_dir_all(&unpacked).map_err(|e| e.to_string())?;
    Ok(context)
}

/// Downloads and unpacks the package, without installing it.
fn from_package(folder: &Path) -> Outcome<PathBuf> {
    let download = || {
        let mut download = command("apt-get");
        download.args(["-o", "APT::Sandbox::User=root", "download", "busybox-static"]);
        output({
            download.current_dir(folder);
            download
        })
    };
    download().or_else(|_| {
        apt::update()?;
        download()
    })?;
    let packages = entries(folder)?;
    let package = packages.first().ok_or("apt-get download left no file")?;
    let mut unpack = command("dpkg-deb");
    unpack.arg("-x").arg(package).arg(folder);
    output(unpack)?;
    ["bin/busybox", "usr/bin/busybox"]
        .map(|path| folder.join(path))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| "the package busybox-static holds no busybox".into())
}

/// Returns the installed busybox, if it needs no libraries.
fn installed(reason: String) -> Outcome<PathBuf> {
    let binary = find("busybox").ok_or(reason)?;
    let bytes = fs::read(&binary).map_err(|e| e.to_string())?;
    let dynamic =
        bytes.windows(10).any(|window| window == b"/ld-linux-" || window == b"/ld-musl-x");
    if dynamic {
        return Err("the installed busybox is not static; install busybox-static".into());
    }
    Ok(binary)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|e| format!("cannot copy {}: {e}", from.display()))
}

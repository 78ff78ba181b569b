//! The root of a suite: the engines' packages, unpacked into a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{BASE, mirror};
use crate::command::{command, logged, output};
use crate::{Outcome, paths};

const UNPACK: &str = include_str!("root.sh");
const LIMIT: Duration = Duration::from_secs(600);
const PACKAGES: &str = "docker.io containerd runc podman netavark aardvark-dns conmon passt iptables \
    nftables catatonit iproute2 bash coreutils mount util-linux tini libc-bin procps kmod \
    ca-certificates git xz-utils tar";

/// Makes the root, unless it is complete.
pub(super) fn provide(suite: &str) -> Outcome {
    let base = Path::new(BASE);
    let (root, apt) = (base.join("root").join(suite), base.join("apt").join(suite));
    let whole = base.join("root").join(format!("{suite}.whole"));
    if whole.exists() {
        return Ok(());
    }
    let archives = apt.join("cache/archives");
    for folder in [apt.join("lists/partial"), archives.join("partial"), root.clone()] {
        fs::create_dir_all(&folder)
            .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    let configuration = apt.join("apt.conf");
    paths::write(&configuration, &settings(&apt))?;
    // Nothing counts as installed, so every dependency is downloaded.
    paths::write(&apt.join("status"), "")?;
    paths::write(&apt.join("sources.list"), &mirror::line(suite)?)?;
    let get = |words: &[&str], log: &str| {
        let mut get = command("apt-get");
        get.args(["-o", "Acquire::Retries=2"]).args(words).env("APT_CONFIG", &configuration);
        logged(get, log, LIMIT)
    };
    get(&["update"], &format!("{suite}-update"))?;
    let mut words = vec!["install", "--yes", "--download-only", "--no-install-recommends"];
    // The oldest suite has no pasta; another root's serves all.
    words
        .extend(PACKAGES.split_whitespace().filter(|name| suite != "bookworm" || *name != "passt"));
    get(&words, &format!("{suite}-download"))?;
    let mut unpack = command("sh");
    unpack.args(["-c", UNPACK, "sh"]).arg(&archives).arg(&root);
    logged(unpack, &format!("{suite}-unpack"), LIMIT)?;
    paths::write(&whole, "")
}

/// Unpacks one more package of a suite, beside its root. Returns the folder.
pub(super) fn package(suite: &str, name: &str) -> Outcome<PathBuf> {
    let base = Path::new(BASE);
    let folder = base.join("packages").join(suite).join(name);
    let whole = folder.join("whole");
    if whole.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let mut get = command("apt-get");
    get.args(["-o", "Acquire::Retries=2", "download", name]).current_dir(&folder);
    get.env("APT_CONFIG", base.join("apt").join(suite).join("apt.conf"));
    logged(get, &format!("{suite}-{name}"), LIMIT)?;
    let files = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut packages = files.filter_map(Result::ok).map(|file| file.path());
    let deb = packages.find(|file| file.extension().is_some_and(|ending| ending == "deb"));
    let deb = deb.ok_or_else(|| format!("apt-get has not brought {name}"))?;
    let mut unpack = command("dpkg-deb");
    unpack.arg("--extract").arg(deb).arg(&folder);
    output(unpack)?;
    paths::write(&whole, "")?;
    Ok(folder)
}

/// Returns a configuration of apt with lists, a cache and a state of its own.
fn settings(apt: &Path) -> String {
    let apt = apt.display();
    format!(
        "Dir::State::Lists \"{apt}/lists\";\nDir::State::status \"{apt}/status\";\n\
         Dir::Cache \"{apt}/cache\";\nDir::Etc::sourcelist \"{apt}/sources.list\";\n\
         Dir::Etc::sourceparts \"/nonexistent\";\nAcquire::Languages \"none\";\n\
         APT::Sandbox::User \"root\";\n"
    )
}

//! The folder that becomes the root of a new machine: the distribution, and a clean clone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::{all_die_with_us, dies_with_us};
use crate::command::{command, find, logged, output};
use crate::step::step;
use crate::{Outcome, apt, base, paths};

const LIMIT: Duration = Duration::from_secs(900);

/// The toolchain's own requirements: a linker, and certificates.
const INCLUDED: &str = "ca-certificates,gcc,libc6-dev";
/// The path of the clone.
pub(crate) const CLONE: &str = "/root/castoff";
/// The path of the toolchain.
pub(crate) const TOOLCHAIN: &str = "/opt/rust";

/// The parts of a machine besides the distribution.
#[derive(Debug, Default)]
pub(crate) struct Taken<'a> {
    /// The configuration of cargo; by default the host's own, if there is one.
    pub(crate) cargo_config: Option<&'a Path>,
}

/// Makes the root.
pub(crate) fn make(root: &Path, taken: &Taken<'_>) -> Outcome {
    if apt::release("ID") != "debian" {
        return Err(
            "a new machine is made of the Debian that the host runs, and this is none".into()
        );
    }
    let codename = apt::release("VERSION_CODENAME");
    let (main, security) = base::host_mirrors(&codename)
        .ok_or_else(|| format!("apt's sources name no mirror of {codename}"))?;
    for program in ["debootstrap", "git"] {
        if find(program).is_none() {
            apt::install(&[program])?;
        }
    }
    step(&format!("debootstrap {codename}"), || {
        base::debootstrap(root, &codename, &main, &["--include", INCLUDED], &all_die_with_us)?;
        // From here on as on other machines.
        fs::remove_file(root.join("etc/dpkg/dpkg.cfg.d/slim")).map_err(|e| e.to_string())?;
        let mut clean = command("chroot");
        clean.arg(root).args(["apt-get", "clean"]);
        output(clean).map(drop)
    })?;
    let write = |path: &str, text: &str| paths::write(&root.join(path), text);
    // Written by debootstrap.
    drop(fs::remove_file(root.join("etc/apt/sources.list")));
    write("etc/apt/sources.list.d/debian.sources", &base::deb822(&codename, &main, &security))?;
    write("etc/apt/apt.conf.d/99host", &apt::acquisition())?;
    write("etc/hosts", "127.0.0.1 localhost fresh\n")?;
    write("etc/hostname", "fresh\n")?;
    certificates(root)?;
    cargo_config(root, taken.cargo_config)?;
    clone(root)
}

/// Copies certificates that were added to the host, as its mirrors may need them.
fn certificates(root: &Path) -> Outcome {
    let added = Path::new("/usr/local/share/ca-certificates");
    if !added.is_dir() {
        return Ok(());
    }
    let mut copy = command("cp");
    copy.arg("-r").arg(added).arg(root.join("usr/local/share/"));
    output(copy)?;
    let mut update = command("chroot");
    update.arg(root).arg("update-ca-certificates");
    output(update).map(drop)
}

/// Copies cargo's configuration, which names a mirror of the registry if the host needs one.
fn cargo_config(root: &Path, named: Option<&Path>) -> Outcome {
    let home = std::env::var("CARGO_HOME").map(PathBuf::from);
    let home = home
        .unwrap_or_else(|_| Path::new(&std::env::var("HOME").unwrap_or_default()).join(".cargo"));
    let known = ["config.toml", "config"].map(|file| home.join(file));
    let found = known.iter().map(PathBuf::as_path).find(|file| file.is_file());
    let Some(config) = named.or(found) else { return Ok(()) };
    let text = fs::read_to_string(config).map_err(|e| format!("{}: {e}", config.display()))?;
    paths::write(&root.join("root/.cargo/config.toml"), &text)
}

fn clone(root: &Path) -> Outcome {
    let here = paths::root();
    let mut status = command("git");
    status.args(["status", "--porcelain"]).current_dir(&here);
    if !output(status)?.trim().is_empty() {
        crate::progress::say("  what is not committed is not part of the clone");
    }
    let mut clone = dies_with_us(command("git"));
    clone.args(["clone", "--quiet", "--no-hardlinks"]).arg(&here);
    clone.arg(root.join(CLONE.trim_start_matches('/')));
    step("clone", || logged(clone, "fresh-clone", LIMIT))
}

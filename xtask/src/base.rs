//! The Debian base of the test images: pulled if a registry answers, or else made on the spot.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use crate::client::Client;
use crate::command::{as_root, find, logged, output};
use crate::progress::say;
use crate::step::step;
use crate::{Outcome, apt, paths};

/// The image's name.
pub(crate) const NAME: &str = "debian";
/// The part of the image's hash to change for a rebuild of the base.
pub(crate) const VERSION: &str = "bookworm-1";

const PULLED: &str = "debian:12-slim";
const PULL_LIMIT: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(900);
const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
/// A script that excludes files that no container needs, and disables syncing: here and in the
/// images based on this one, where it takes most of the time.
const SLIM: &str = "mkdir -p \"$1/etc/dpkg/dpkg.cfg.d\" && cd \"$1/etc/dpkg/dpkg.cfg.d\" \
    && { echo force-unsafe-io; printf 'path-exclude=/usr/share/%s/*\\n' doc man locale info; } > slim";
/// A script that removes documentation, translations and package lists, which no container needs.
const TRIMMED: &str = "cd \"$1\" && rm -rf var/lib/apt/lists/* var/cache/apt/* var/log/* \
    usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/* etc/apt/apt.conf \
    && mv sources.new etc/apt/sources.list.d/debian.sources \
    && rm -f etc/apt/sources.list";

/// Provides the base under `reference`, with `label`.
pub(crate) fn provide(client: &Client, reference: &str, label: &str) -> Outcome {
    if client.logged(&["pull", PULLED], "pull", PULL_LIMIT).is_ok() {
        return tag(client, reference, label);
    }
    say("  no registry answers: making the base with debootstrap");
    let rootfs = paths::scratch(&format!("debian-{}", process::id()))?;
    let made = bootstrap(&rootfs).and_then(|()| import(client, &rootfs, reference, label));
    // These files belong to root.
    let mut remove = as_root("rm");
    remove.args(["-rf", "--one-file-system"]).arg(&rootfs);
    made.and(output(remove).map(drop))
}

/// Tags the pulled image by a build, as a tag alone could not carry the label.
fn tag(client: &Client, reference: &str, label: &str) -> Outcome {
    let context = paths::scratch(&format!("base-{}", process::id()))?;
    paths::write(&context.join("Dockerfile"), &format!("FROM {PULLED}\n"))?;
    let folder = context.display().to_string();
    let args = ["build", "--label", label, "--tag", reference, &folder];
    let built = client.logged(&args, "build-debian", LIMIT);
    drop(fs::remove_dir_all(&context));
    built
}

fn bootstrap(rootfs: &Path) -> Outcome {
    if find("debootstrap").is_none() {
        if !apt::available() {
            return Err(format!(
                "no registry to pull {PULLED} from, and no debootstrap to make it with \
                 (installing it needs root on Debian)"
            ));
        }
        apt::install(&["debootstrap"])?;
    }
    let (main, security) = mirrors();
    step(&format!("debootstrap bookworm from {main}"), || {
        debootstrap(rootfs, "bookworm", &main, &[], &|command| command)
    })?;
    let sources = paths::scratch(&format!("sources-{}", process::id()))?;
    paths::write(&sources, &deb822("bookworm", &main, &security))?;
    let mut install = as_root("install");
    install.args(["-m", "644"]).arg(&sources).arg(rootfs.join("sources.new"));
    output(install)?;
    drop(fs::remove_file(&sources));
    let mut trim = as_root("sh");
    trim.args(["-c", TRIMMED, "trim"]).arg(rootfs);
    output(trim).map(drop)
}

/// Makes a minimal Debian in a folder. `by` wraps the long commands.
pub(crate) fn debootstrap(
    rootfs: &Path,
    codename: &str,
    mirror: &str,
    more: &[&str],
    by: &dyn Fn(Command) -> Command,
) -> Outcome {
    let mut first = as_root("env");
    if let Some(proxy) = apt::proxy() {
        first.arg(format!("http_proxy={proxy}"));
    }
    first.args(["debootstrap", "--foreign", "--variant=minbase"]).args(more).arg(codename);
    first.arg(rootfs).arg(mirror);
    logged(by(first), "debootstrap", LIMIT)?;
    // Between its two stages dpkg can be configured.
    let mut slim = as_root("sh");
    slim.args(["-c", SLIM, "slim"]).arg(rootfs);
    output(slim)?;
    // It mounts proc and leaves it mounted: in a mount namespace of its own, that ends with the
    // process.
    let mut second = as_root("unshare");
    second.args(["--mount", "--propagation", "private", "chroot"]).arg(rootfs);
    second.args(["/debootstrap/debootstrap", "--second-stage"]);
    logged(by(second), "debootstrap-2", LIMIT)
}

/// Packs and imports a root. The archive goes through a file, as sudo and the client differ in
/// rights.
fn import(client: &Client, rootfs: &Path, reference: &str, label: &str) -> Outcome {
    let archive = paths::scratch(&format!("debian-{}.tar", process::id()))?;
    let mut tar = as_root("tar");
    tar.args(["--numeric-owner", "--one-file-system", "-C"]).arg(rootfs).arg("-cf");
    tar.arg(&archive).arg(".");
    let label = format!("LABEL {label}");
    let path = archive.display().to_string();
    let args = ["import", "--change", "CMD [\"bash\"]", "--change", &label, &path, reference];
    let imported = output(tar).and_then(|_| client.logged(&args, "import", LIMIT));
    drop(fs::remove_file(&archive));
    imported
}

/// Returns the mirrors that the host itself uses, if it runs Debian.
fn mirrors() -> (String, String) {
    let debian = apt::release("ID") == "debian";
    let listed = if debian { host_mirrors(&apt::release("VERSION_CODENAME")) } else { None };
    listed.unwrap_or_else(|| (MIRROR.into(), SECURITY.into()))
}

/// Returns apt's mirrors of a release and of its security updates on this machine.
pub(crate) fn host_mirrors(codename: &str) -> Option<(String, String)> {
    let mut lines = Vec::new();
    for file in ["sources.list", "sources.list.d/debian.sources"] {
        let text = fs::read_to_string(Path::new("/etc/apt").join(file)).unwrap_or_default();
        lines.extend(one_lines(&text));
    }
    let of =
        |suite: &str| lines.iter().find(|(_, suites)| suites == suite).map(|(uri, _)| uri.clone());
    let main = of(codename)?;
    let security = of(&format!("{codename}-security")).unwrap_or_else(|| SECURITY.into());
    Some((main, security))
}

/// Returns pairs of URI and suite, from both formats of apt's sources.
fn one_lines(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut uri = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["URIs:", first, ..] => uri = (*first).to_owned(),
            ["Suites:", suites @ ..] => {
                pairs.extend(suites.iter().map(|suite| (uri.clone(), (*suite).to_owned())));
            }
            ["deb", rest @ ..] => {
                let mut rest = rest.iter().skip_while(|word| !word.contains("://"));
                if let (Some(uri), Some(suite)) = (rest.next(), rest.next()) {
                    pairs.push(((*uri).to_owned(), (*suite).to_owned()));
                }
            }
            _ => {}
        }
    }
    pairs
}

/// Returns apt's sources for a release.
pub(crate) fn deb822(codename: &str, main: &str, security: &str) -> String {
    let entry = |uri: &str, suites: &str| {
        format!(
            "Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        )
    };
    let updates = entry(main, &format!("{codename} {codename}-updates"));
    format!("{updates}\n{}", entry(security, &format!("{codename}-security")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_sources_are_read() {
        let new = "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n";
        let old = "# deb x y\ndeb [signed-by=/k] http://s/sec bookworm-security main\n";
        let pair = |uri: &str, suite: &str| (uri.to_owned(), suite.to_owned());
        assert_eq!(
            one_lines(new),
            [pair("http://m/debian", "bookworm"), pair("http://m/debian", "bookworm-updates")]
        );
        assert_eq!(one_lines(old), [pair("http://s/sec", "bookworm-security")]);
    }
}

//! Installation of packages on Debian and Ubuntu.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Outcome;
use crate::command::{as_root, can_be_root, command, find, logged, output};
use crate::progress::say;
use crate::step::step;

const LIMIT: Duration = Duration::from_secs(600);

/// Installs packages without their recommendations. Retries once after a failure.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    step(&format!("install {}", packages.join(" ")), || {
        let mut lists = lists();
        lists.read()?;
        install_now(packages).or_else(|_| {
            lists.read_again()?;
            install_now(packages)
        })
    })
}

/// Returns whether packages can be installed here without a password.
pub(crate) fn available() -> bool {
    find("apt-get").is_some() && can_be_root()
}

/// Returns whether the archive has a package with this name.
pub(crate) fn has(package: &str) -> bool {
    let mut policy = command("apt-cache");
    policy.args(["policy", package]).env("LC_ALL", "C");
    output(policy).is_ok_and(|text| text.contains("Candidate: ") && !text.contains("(none)\n  V"))
}

/// Returns the proxy that apt is configured to use.
pub(crate) fn proxy() -> Option<String> {
    let mut dump = command("apt-config");
    dump.arg("dump");
    let text = output(dump).ok()?;
    let line =
        text.lines().find(|line| line.to_lowercase().starts_with("acquire::http::proxy "))?;
    line.split('"').nth(1).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Returns apt's settings for its mirrors, to use in another root.
pub(crate) fn acquisition() -> String {
    let mut dump = command("apt-config");
    dump.arg("dump");
    let text = output(dump).unwrap_or_default();
    let of_mirrors = |line: &&str| {
        let line = line.to_lowercase();
        ["http", "check-", "retries"].iter().any(|option| {
            line.strip_prefix("acquire::").is_some_and(|rest| rest.starts_with(option))
        })
    };
    text.lines().filter(of_mirrors).map(|line| format!("{line}\n")).collect()
}

/// Returns a value of `/etc/os-release`.
pub(crate) fn release(key: &str) -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

/// Refreshes the package lists, unless this program has already done so.
pub(crate) fn update() -> Outcome {
    lists().read()
}

/// The package lists. Locked by one caller at a time: another apt would find its lock taken.
struct Lists {
    fresh: bool,
}

static LISTS: Mutex<Lists> = Mutex::new(Lists { fresh: false });

fn lists() -> MutexGuard<'static, Lists> {
    LISTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lists {
    fn read(&mut self) -> Outcome {
        if self.fresh { Ok(()) } else { self.read_again() }
    }

    fn read_again(&mut self) -> Outcome {
        read_lists()?;
        self.fresh = true;
        Ok(())
    }
}

/// Reads the package lists. A broken third-party source is ignored: the installation shows whether
/// the packages are available.
fn read_lists() -> Outcome {
    let mut update = as_root("apt-get");
    update.args(["-o", "Acquire::Retries=2", "update"]);
    logged(update, "apt-update", LIMIT).or_else(|reason| {
        say(&format!("  going on after: {}", reason.lines().next().unwrap_or_default()));
        Ok(())
    })
}

fn install_now(packages: &[&str]) -> Outcome {
    let mut install = as_root("env");
    install
        .args(["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "apt-get", "install"])
        .args(["--yes", "--no-install-recommends"])
        .args(["-o", "Acquire::Retries=2", "-o", "Dpkg::Options::=--force-confold"])
        .args(["-o", "DPkg::Lock::Timeout=120"])
        .args(packages);
    logged(install, "apt-install", LIMIT)
}

//! Execution of other programs: with the terminal, silent, or logged with a time limit.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::{Outcome, paths};

const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// Returns a program's path, from `PATH` or the system folders.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Returns a command whose `PATH` includes the system folders, without cargo's variables for xtask
/// itself.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    if let Ok(path) = env::join_paths(folders) {
        command.env("PATH", path);
    }
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Returns a command with root's rights, through `sudo -n` if needed.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return command(program);
    }
    let mut sudo = command("sudo");
    sudo.arg("-n").arg(program);
    sudo
}

/// Returns whether this process runs as root.
pub(crate) fn is_root() -> bool {
    user() == 0
}

/// Returns whether commands can get root's rights without a password.
pub(crate) fn can_be_root() -> bool {
    is_root() || (find("sudo").is_some() && output(as_root("true")).is_ok())
}

/// Returns the effective user id.
pub(crate) fn user() -> u32 {
    fs::metadata("/proc/self").map_or(u32::MAX, |data| data.uid())
}

/// Runs a command with the terminal's streams.
pub(crate) fn run(mut command: Command) -> Outcome {
    let shown = show(&command);
    println!("  $ {shown}");
    let status = command.status().map_err(|e| format!("cannot run {shown}: {e}"))?;
    verdict(status, &shown)
}

/// Runs a command silently. Returns its standard output.
pub(crate) fn output(mut command: Command) -> Outcome<String> {
    let shown = show(&command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| format!("cannot run {shown}: {e}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    verdict(output.status, &shown).map_err(|reason| format!("{reason}\n{}", errors.trim()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command with output to `target/xtask/<log>.log`, whose tail is part of the error.
pub(crate) fn logged(mut command: Command, log: &str, limit: Duration) -> Outcome {
    let shown = show(&command);
    let log = paths::scratch(&format!("{log}.log"))?;
    let file = open_log(&log)?;
    let copy = file.try_clone().map_err(|e| e.to_string())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .map_err(|e| format!("cannot run {shown}: {e}"))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return verdict(status, &shown).map_err(|reason| format!("{reason}\n{}", tail(&log)));
        }
        if Instant::now() > deadline {
            // The child may have ended by now.
            drop(child.kill());
            drop(child.wait());
            return Err(format!("{shown}: no end after {} s\n{}", limit.as_secs(), tail(&log)));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Creates or truncates a log file.
pub(crate) fn open_log(path: &Path) -> Outcome<File> {
    File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Returns the last lines of a log, indented, under its name.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(25)..];
    format!("  end of {}:\n    {}", log.display(), last.join("\n    "))
}

fn verdict(status: ExitStatus, shown: &str) -> Outcome {
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Returns the command as a user would type it: its program without the folder.
fn show(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let program = path.file_name().unwrap_or(path.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

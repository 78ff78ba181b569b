//! [`SessionLock`]: the lock file that shows other processes that this one is alive, and lists what
//! to remove if it is not.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kind::Kind;
use super::session::Session;
use super::state_dir::StateDir;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;

/// The part of the state directory with these locks.
pub(super) const PART: &str = "sessions";

/// An exclusively locked file, one for each engine of a process. The guardian holds the same lock,
/// so that it is free when neither lives.
///
/// One line in it says that something is owned; others name what is kept.
#[derive(Debug)]
pub(super) struct SessionLock(UnsharedFd);

impl SessionLock {
    /// Takes the lock of this process for an engine, given by its identity.
    pub(super) fn take(config: &Config, engine: &str) -> Result<SessionLock> {
        let dir = StateDir::open(config, PART)?;
        let name = file_name(engine, Session::current().token());
        let taken = |file: Option<UnsharedFd>| {
            file.ok_or_else(|| Error::new(ErrorKind::Io, format!("{name} is locked by another")))
        };
        Ok(SessionLock(taken(dir.lock(&name)?)?))
    }

    /// Records whether this process owns anything there, the number of unanswered create calls,
    /// whether sweeps have to leave all of it alone while the guardian has not cleared the file,
    /// and the kept resources.
    pub(super) fn note(
        &self,
        owns: bool,
        creating: usize,
        hold: bool,
        kept: &[(Kind, String)],
    ) -> Result<()> {
        let mut text = String::new();
        if owns {
            text.push_str(OWNED);
            text.push_str(&creating_line(creating));
        }
        if owns && hold {
            text.push_str(HOLD);
        }
        text.extend(kept.iter().map(|(kind, id)| keep_line(*kind, id)));
        let noted = replace(&self.0, text.as_bytes());
        noted.map_err(|error| {
            Error::new(ErrorKind::Io, "the session's file can't be written").with_source(error)
        })
    }

    /// Records the number of unanswered create calls, while something is owned.
    pub(super) fn creating(&self, count: usize) -> std::io::Result<()> {
        let line = creating_line(count);
        let written = rustix::io::pwrite(&self.0, line.as_bytes(), OWNED.len() as u64)?;
        if written == line.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
    }

    /// Records that a resource is kept.
    pub(super) fn keep(&self, kind: Kind, id: &str) -> std::io::Result<()> {
        write(&self.0, keep_line(kind, id).as_bytes())
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The largest session file that is read whole, in bytes: two hundred thousand kept ids.
const READ_MAX: usize = 16 * 1024 * 1024;

/// The age at which the record of an unanswered create call is obsolete: no engine takes so long.
pub(super) const FRESH: Duration = Duration::from_secs(10 * 60);

/// Returns the time since a file was written; zero for a time in the future.
pub(super) fn age(file: &OwnedFd) -> std::io::Result<Duration> {
    let written = u64::try_from(rustix::fs::fstat(file)?.st_mtime).unwrap_or(0);
    let written = UNIX_EPOCH + Duration::from_secs(written);
    Ok(SystemTime::now().duration_since(written).unwrap_or_default())
}

/// Appends to a file, at its current end: the guardian truncates it as well.
fn write(file: &OwnedFd, text: &[u8]) -> std::io::Result<()> {
    let end = rustix::fs::fstat(file)?.st_size;
    let written = rustix::io::pwrite(file, text, u64::try_from(end).unwrap_or(0))?;
    if written == text.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
}

/// Replaces the content of a file. The old text is cut off only when the new one is written: the
/// disk may be full.
pub(super) fn replace(file: &OwnedFd, text: &[u8]) -> std::io::Result<()> {
    if rustix::io::pwrite(file, text, 0)? != text.len() {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    Ok(rustix::fs::ftruncate(file, text.len() as u64)?)
}

const OWNED: &str = "owned\n";
const HOLD: &str = "hold\n";
const CREATING: &str = "creating ";
const SWEPT: &str = "swept\n";

/// Returns a line of constant length, so that it can be replaced in place.
fn creating_line(count: usize) -> String {
    format!("{CREATING}{:06}\n", count.min(999_999))
}

fn keep_line(kind: Kind, id: &str) -> String {
    format!("keep {} {id}\n", kind.word())
}

/// Records that a sweep has begun with this session's resources. Whoever finds the file locked then
/// knows that its process is gone, and searches again in case the sweep ends halfway.
pub(super) fn note_sweep(file: &OwnedFd) -> std::io::Result<()> {
    write(file, SWEPT.as_bytes())
}

/// The record of a session in its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SessionRecord {
    /// Whether the session owned anything when it ended.
    pub(super) any: bool,
    /// Whether the session may have failed, so that what it owned stays for inspection.
    pub(super) hold: bool,
    /// Whether it ended with unanswered create calls; `is_fresh` is whether that was less
    /// than [`FRESH`] ago.
    unsettled: bool,
    is_fresh: bool,
    /// Whether a sweep has begun with it.
    pub(super) swept: bool,
    kept: BTreeSet<String>,
}

impl SessionRecord {
    /// Reads a session's file. The content of one with more than [`READ_MAX`] bytes is unknown, so
    /// all that the session owns counts as kept.
    pub(super) fn read(file: &OwnedFd) -> std::io::Result<SessionRecord> {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while text.len() <= READ_MAX {
            let read = rustix::io::pread(file, &mut buffer, text.len() as u64)?;
            if read == 0 {
                let mut left = SessionRecord::parse(&String::from_utf8_lossy(&text));
                left.is_fresh = age(file)? < FRESH;
                return Ok(left);
            }
            text.extend(buffer.iter().take(read));
        }
        tracing::warn!("a session's file is longer than {READ_MAX} bytes: all that it owned stays");
        Ok(SessionRecord { any: true, hold: true, ..SessionRecord::default() })
    }

    fn parse(text: &str) -> SessionRecord {
        let kept = text.lines().filter_map(|line| line.strip_prefix("keep "));
        let says = |word: &str| text.lines().any(|line| line == word.trim_end());
        SessionRecord {
            any: says(OWNED),
            hold: says(HOLD),
            unsettled: text.lines().any(|line| {
                let count = line.strip_prefix(CREATING).map(str::parse::<usize>);
                count.is_some_and(|count| count != Ok(0))
            }),
            is_fresh: false,
            swept: says(SWEPT),
            kept: kept.map(str::to_owned).collect(),
        }
    }

    /// Returns whether the engine may yet execute a create call of this session.
    pub(super) fn may_come_yet(&self) -> bool {
        self.unsettled && self.is_fresh
    }

    pub(super) fn keeps(&self, kind: Kind, id: &str) -> bool {
        self.kept.contains(&format!("{} {id}", kind.word()))
    }
}

/// Returns `<engine>-<token>.lock`, with the engine's identity, as its path may be too long for a
/// file name.
pub(super) fn file_name(engine: &str, token: &str) -> String {
    format!("{engine}-{token}.lock")
}

/// Returns the engine and the token of a name that [`file_name`] made.
pub(super) fn read_name(name: &str) -> Option<(&str, &str)> {
    name.strip_suffix(".lock")?.split_once('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_engine_and_session() {
        assert_eq!(read_name(&file_name("0a1b", "abc")), Some(("0a1b", "abc")));
        for strange in ["", ".", "..", "x.lock", "a-b", "a-b.lock~"] {
            assert_eq!(read_name(strange), None, "{strange}");
        }
    }

    #[test]
    fn what_is_left_is_read_as_written() {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let lock = SessionLock::take(&config, "x").unwrap();
        let nothing = SessionRecord { is_fresh: true, ..SessionRecord::default() };
        assert_eq!(SessionRecord::read(&lock.0).unwrap(), nothing);
        lock.note(true, 0, false, &[]).unwrap();
        lock.keep(Kind::Container, "abc").unwrap();
        let left = SessionRecord::read(&lock.0).unwrap();
        assert!(left.any && left.keeps(Kind::Container, "abc"));
        assert!(!left.keeps(Kind::Network, "abc") && !left.keeps(Kind::Container, "ab"));
        assert!(!left.hold);
        let kept = [(Kind::Volume, "v".to_owned())];
        lock.note(true, 12, true, &kept).unwrap();
        let left = SessionRecord::read(&lock.0).unwrap();
        assert!(left.any && left.hold && left.keeps(Kind::Volume, "v") && left.may_come_yet());
        lock.creating(0).unwrap();
        let left = SessionRecord::read(&lock.0).unwrap();
        assert!(left.any && left.hold && left.keeps(Kind::Volume, "v") && !left.may_come_yet());
        lock.creating(1_234_567).unwrap();
        assert!(SessionRecord::read(&lock.0).unwrap().may_come_yet());
        assert!(!left.swept);
        note_sweep(&lock.0).unwrap();
        let left = SessionRecord::read(&lock.0).unwrap();
        assert!(left.swept && left.any && left.keeps(Kind::Volume, "v"));
        lock.note(false, 0, true, &kept).unwrap();
        let left = SessionRecord::read(&lock.0).unwrap();
        assert!(!left.any && !left.hold && left.keeps(Kind::Volume, "v"));
        lock.note(false, 0, false, &[]).unwrap();
        assert_eq!(SessionRecord::read(&lock.0).unwrap(), nothing);
        SessionLock::take(&config, "x").unwrap_err();
        SessionLock::take(&config, "y").unwrap();
    }

    #[test]
    fn more_is_kept_than_a_guardian_remembers() {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let lock = SessionLock::take(&config, "x").unwrap();
        lock.note(true, 0, false, &[]).unwrap();
        let kept: Vec<_> = (0..5_000).map(|n| (Kind::Volume, format!("v{n}"))).collect();
        for (kind, id) in &kept {
            lock.keep(*kind, id).unwrap();
        }
        let all_are_kept = || {
            let left = SessionRecord::read(&lock.0).unwrap();
            assert!(left.any && !left.hold && !left.keeps(Kind::Volume, "v5000"));
            assert!(kept.iter().all(|(kind, id)| left.keeps(*kind, id)));
        };
        all_are_kept();
        lock.note(false, 0, false, &kept).unwrap();
        lock.note(true, 0, false, &kept).unwrap();
        all_are_kept();
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read_whole_and_holds_everything() {
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        rustix::io::pwrite(&file, OWNED.as_bytes(), 0).unwrap();
        rustix::fs::ftruncate(&file, 3 << 30).unwrap();
        let left = SessionRecord::read(&file).unwrap();
        assert!(left.any && left.hold);
    }
}

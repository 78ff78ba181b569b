//! The files of leases and those next to them: their names and their content.

use std::os::fd::OwnedFd;

use rustix::fs::FlockOperation;

use super::guardian::state;
use super::state_dir::StateDir;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;

/// The part of the state directory with these files.
pub(super) const PART: &str = "leases";

/// A resource that exists and can be shared, as its lease file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedResource {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A hash of the conditions that were waited for.
    pub(crate) waited: String,
}

/// The content of a lease file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeaseRecord {
    Nothing,
    Making(String),
    Ready(String, SharedResource),
}

impl LeaseRecord {
    pub(super) fn read(file: &OwnedFd) -> Result<LeaseRecord> {
        let mut buffer = [0; 1024];
        let read = rustix::io::pread(file, &mut buffer, 0).map_err(|error| {
            let error = std::io::Error::from(error);
            Error::new(ErrorKind::Io, "a lease can't be read").with_source(error)
        })?;
        Ok(LeaseRecord::parse(&String::from_utf8_lossy(buffer.get(..read).unwrap_or(&[]))))
    }

    /// Returns whether the resource with this label value is ready.
    pub(super) fn is_ready(&self, value: &str) -> bool {
        matches!(self, LeaseRecord::Ready(own, _) if own == value)
    }

    /// Parses a lease file. Its first letter says the phase: the guardian writes no more than that.
    fn parse(text: &str) -> LeaseRecord {
        let words: Vec<&str> = text.split_whitespace().collect();
        match (text.bytes().next(), words.as_slice()) {
            (Some(state::READY | state::KEPT), [_, value, id, name, waited]) => {
                let [id, name, waited] = [id, name, waited].map(|word| (*word).to_owned());
                LeaseRecord::Ready((*value).to_owned(), SharedResource { id, name, waited })
            }
            (Some(state::MAKING), [_, value, ..]) => LeaseRecord::Making((*value).to_owned()),
            _ => LeaseRecord::Nothing,
        }
    }
}

/// Returns the process id of the maker, as its lease file has it.
pub(super) fn maker(file: &OwnedFd) -> Option<String> {
    let mut buffer = [0; 1024];
    let read = rustix::io::pread(file, &mut buffer, 0).ok()?;
    let text = String::from_utf8_lossy(buffer.get(..read)?);
    let pid = text.strip_prefix("making ")?.split_whitespace().nth(1)?;
    pid.parse::<u32>().ok().map(|pid| pid.to_string())
}

pub(super) fn is_kept(file: &OwnedFd) -> bool {
    let mut first = [0];
    matches!(rustix::io::pread(file, &mut first, 0), Ok(1)) && first == [state::KEPT]
}

/// Opens a file next to a lease's, creating it if necessary, and locks it. Returns `None` if that
/// would have to wait.
pub(super) fn beside(
    config: &Config,
    name: &str,
    how: FlockOperation,
) -> Result<Option<UnsharedFd>> {
    StateDir::open(config, PART)?.flocked(name, how)
}

/// The owner of a set-up lock's file.
pub(super) enum FileOwner<'a> {
    Lease(&'a str),
    /// The session of this token: the resource is not shared.
    Session(&'a str),
}

/// Separator of the owner and the rest in the name of a set-up lock's file.
const MARK: &str = ".once-";

/// Prefix of an owner that is a session.
const SESSION: &str = "session-";

impl FileOwner<'_> {
    /// Returns the owner of a file that [`file`](Self::file) named; `None` for any other.
    pub(super) fn of(name: &str) -> Option<FileOwner<'_>> {
        let (owner, _) = name.split_once(MARK)?;
        Some(owner.strip_prefix(SESSION).map_or(FileOwner::Lease(owner), FileOwner::Session))
    }

    /// Returns whether this is the lease of that name.
    pub(super) fn is_lease(&self, name: &str) -> bool {
        matches!(self, FileOwner::Lease(lease) if *lease == name)
    }

    /// Returns the file name for one set-up of this owner.
    pub(super) fn file(&self, what: &str) -> String {
        match self {
            FileOwner::Lease(lease) => format!("{lease}{MARK}{what}"),
            FileOwner::Session(token) => format!("{SESSION}{token}{MARK}{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_written_and_as_the_guardian_leaves_them() {
        let made = SharedResource { id: "1f".into(), name: "n".into(), waited: "w".into() };
        let ready = LeaseRecord::Ready("k-g".into(), made);
        for first in ["ready", "kept", "keady"] {
            assert_eq!(LeaseRecord::parse(&format!("{first} k-g 1f n w\n")), ready);
        }
        assert_eq!(LeaseRecord::parse("making k-g\n"), LeaseRecord::Making("k-g".into()));
        for nothing in ["", "\n", "ready", "ready k-g 1f", "what"] {
            assert_eq!(LeaseRecord::parse(nothing), LeaseRecord::Nothing, "{nothing}");
        }
    }

    #[test]
    fn whose_a_file_is_is_read_as_written() {
        let lease = FileOwner::Lease("e-c-key").file("0a");
        assert!(matches!(FileOwner::of(&lease), Some(FileOwner::Lease("e-c-key"))));
        let session = FileOwner::Session("abc").file("0a");
        assert!(matches!(FileOwner::of(&session), Some(FileOwner::Session("abc"))));
        assert!(FileOwner::of("e-c-key").is_none());
    }
}

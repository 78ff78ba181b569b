//! What the file of a lease tells, and what those of the dead tell of.

use std::os::fd::OwnedFd;

use super::guardian::state;
use super::kind::Kind;
use super::lease::PART;
use super::once::{Whose, whose};
use super::session_lock::{FRESH, PART as SESSIONS, age, replace};
use super::state_dir::StateDir;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;
use crate::random;
use crate::spec::label;

/// A resource that is there to be shared, as its file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A hash of the conditions that were waited for.
    pub(crate) waited: String,
}

/// What a file tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    Making(String),
    Ready(String, Made),
}

impl Note {
    pub(super) fn read(file: &OwnedFd) -> Result<Note> {
        let mut buffer = [0; 1024];
        let read = rustix::io::pread(file, &mut buffer, 0).map_err(|error| {
            let error = std::io::Error::from(error);
            Error::new(ErrorKind::Io, "a lease can't be read").with_source(error)
        })?;
        Ok(Note::parse(&String::from_utf8_lossy(buffer.get(..read).unwrap_or(&[]))))
    }

    /// The first letter of the first word counts: the guardian writes no more than that.
    fn parse(text: &str) -> Note {
        let words: Vec<&str> = text.split_whitespace().collect();
        match (text.bytes().next(), words.as_slice()) {
            (Some(state::READY | state::KEPT), [_, value, id, name, waited]) => {
                let [id, name, waited] = [id, name, waited].map(|word| (*word).to_owned());
                Note::Ready((*value).to_owned(), Made { id, name, waited })
            }
            (Some(state::MAKING), [_, value, ..]) => Note::Making((*value).to_owned()),
            _ => Note::Nothing,
        }
    }
}

/// The number of the process that makes what a file is for, as it says.
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

/// A lease that nobody holds, and what it was for. Its lock is held until it is dealt with.
#[derive(Debug)]
pub(super) struct DeadLease {
    pub(super) kind: Kind,
    value: String,
    dir: StateDir,
    name: String,
    file: UnsharedFd,
    /// Whether its maker died at it a short time ago: what the engine had not answered may come yet.
    may_come_yet: bool,
}

/// A note that somebody died while it made what a lease is for, and that the lease is another one's by
/// now: whoever sweeps looks for what the engine makes of that yet.
pub(super) fn note_late(dir: &StateDir, name: &str, value: &str) -> Result<String> {
    let note = format!("{name}.late-{}", random::token());
    let file = dir.lock(&note)?.ok_or_else(|| Error::other("a new file is locked"))?;
    replace(&file, format!("making {value} -\n").as_bytes())?;
    Ok(note)
}

impl DeadLease {
    pub(super) fn may_come_yet(&self) -> bool {
        self.may_come_yet
    }

    pub(super) fn label(&self) -> String {
        format!("{}={}", label::SHARED, self.value)
    }

    /// There is nothing left that it is for, nor any set-up of that.
    pub(super) fn forget(self) {
        let names = self.dir.names().unwrap_or_default();
        let is_of_this =
            |name: &&String| matches!(whose(name), Some(Whose::Lease(lease)) if lease == self.name);
        names.iter().filter(is_of_this).for_each(|name| self.dir.remove(name));
        self.dir.remove(&self.name);
        drop(self.file);
    }
}

/// The leases on an engine that nobody holds; those that were kept, or those that were not.
pub(super) fn dead(config: &Config, engine: &str, kept: bool) -> Result<Vec<DeadLease>> {
    let dir = StateDir::open(config, PART)?;
    let here = format!("{engine}-");
    let living = StateDir::open(config, SESSIONS)?.names()?;
    let mut found = Vec::new();
    for name in dir.names()? {
        if let Some(whose) = whose(&name) {
            let lives = match whose {
                Whose::Lease(lease) => dir.has(lease),
                Whose::Session(token) => living.iter().any(|file| file.contains(token)),
            };
            // One that is locked is in use, whatever else says that its process is gone.
            if !lives && matches!(dir.lock(&name), Ok(Some(_))) {
                dir.remove(&name);
            }
            continue;
        }
        let letter = name.strip_prefix(&here).and_then(|rest| rest.chars().next());
        let kind = Kind::ALL.into_iter().find(|kind| Some(kind.letter()) == letter);
        let Some(kind) = kind else { continue };
        // What is strange about one file is no reason to leave all the others.
        let Ok(Some(file)) = dir.lock(&name) else { continue };
        let (value, half) = match Note::read(&file) {
            Ok(Note::Ready(value, _)) if is_kept(&file) == kept => (value, false),
            Ok(Note::Making(value)) if !kept => (value, true),
            Ok(Note::Nothing) => {
                dir.remove(&name);
                continue;
            }
            _ => continue,
        };
        let dir = StateDir::open(config, PART)?;
        let may_come_yet = half && age(&file).is_ok_and(|age| age < FRESH);
        found.push(DeadLease { kind, value, dir, name, file, may_come_yet });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_written_and_as_the_guardian_leaves_them() {
        let made = Made { id: "1f".into(), name: "n".into(), waited: "w".into() };
        let ready = Note::Ready("k-g".into(), made);
        for first in ["ready", "kept", "keady"] {
            assert_eq!(Note::parse(&format!("{first} k-g 1f n w\n")), ready);
        }
        assert_eq!(Note::parse("making k-g\n"), Note::Making("k-g".into()));
        for nothing in ["", "\n", "ready", "ready k-g 1f", "what"] {
            assert_eq!(Note::parse(nothing), Note::Nothing, "{nothing}");
        }
    }
}

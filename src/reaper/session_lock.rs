//! [`SessionLock`]: by which the others know that this process lives, and what it leaves if not.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::removal::Kind;
use super::session::Session;
use super::state_dir::StateDir;
use crate::config::Config;
use crate::engine::Endpoint;
use crate::error::{Error, ErrorKind, Result};

/// The part of the state where these locks lie.
pub(super) const PART: &str = "sessions";

/// An exclusively locked file, one for each engine of a process. The guardian holds the same lock,
/// so that it is free when neither lives.
///
/// An empty file says that nothing is left behind; one that isn't names what is to be kept.
#[derive(Debug)]
pub(super) struct SessionLock(OwnedFd);

impl SessionLock {
    pub(super) fn take(config: &Config, engine: &Endpoint) -> Result<SessionLock> {
        let dir = StateDir::open(config, PART)?;
        let name = file_name(engine, Session::current().token());
        let taken = |file: Option<OwnedFd>| {
            file.ok_or_else(|| Error::new(ErrorKind::Io, format!("{name} is locked by another")))
        };
        Ok(SessionLock(taken(dir.lock(&name)?)?))
    }

    /// Says whether this process owns anything there.
    pub(super) fn owns(&self, any: bool) -> Result<()> {
        let noted = if any { write(&self.0, b"owned\n") } else { truncate(&self.0) };
        noted.map_err(|error| {
            Error::new(ErrorKind::Io, "the session's file can't be written").with_source(error)
        })
    }

    /// Notes that all of it is to stay, unless the guardian says that there is nothing.
    pub(super) fn hold(&self) -> std::io::Result<()> {
        write(&self.0, b"hold\n")
    }

    /// Notes that a resource is to stay.
    pub(super) fn keep(&self, kind: Kind, id: &str) -> std::io::Result<()> {
        write(&self.0, format!("keep {} {id}\n", kind.word()).as_bytes())
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A month.
const LONG: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long ago it was written; nothing for what is to come.
fn age(file: &OwnedFd) -> std::io::Result<Duration> {
    let written = u64::try_from(rustix::fs::fstat(file)?.st_mtime).unwrap_or(0);
    let written = UNIX_EPOCH + Duration::from_secs(written);
    Ok(SystemTime::now().duration_since(written).unwrap_or_default())
}

/// At the end, wherever that is by now: the guardian truncates as well.
fn write(file: &OwnedFd, text: &[u8]) -> std::io::Result<()> {
    let end = rustix::fs::fstat(file)?.st_size;
    let written = rustix::io::pwrite(file, text, u64::try_from(end).unwrap_or(0))?;
    if written == text.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
}

fn truncate(file: &OwnedFd) -> std::io::Result<()> {
    Ok(rustix::fs::ftruncate(file, 0)?)
}

/// What a session that is gone has left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Whether it owned anything when it ended.
    pub(super) any: bool,
    /// Whether it may have failed, and what it owned is to stay for that.
    pub(super) hold: bool,
    /// Whether it was long ago. An engine that is not used any more is never swept, and what is
    /// noted of it should not stay for ever.
    pub(super) is_old: bool,
    kept: Vec<String>,
}

impl Left {
    pub(super) fn read(file: &OwnedFd) -> std::io::Result<Left> {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = rustix::io::pread(file, &mut buffer, text.len() as u64)?;
            if read == 0 {
                let mut left = Left::parse(&String::from_utf8_lossy(&text));
                left.is_old = age(file)? > LONG;
                return Ok(left);
            }
            text.extend(buffer.iter().take(read));
        }
    }

    fn parse(text: &str) -> Left {
        let kept = text.lines().filter_map(|line| line.strip_prefix("keep "));
        let hold = text.lines().any(|line| line == "hold");
        Left { any: !text.is_empty(), hold, is_old: false, kept: kept.map(str::to_owned).collect() }
    }

    pub(super) fn keeps(&self, kind: Kind, id: &str) -> bool {
        self.kept.iter().any(|kept| kept.split_once(' ') == Some((kind.word(), id)))
    }
}

/// `<engine>-<token>.lock`, the engine hashed: its path may be longer than a name can be.
pub(super) fn file_name(engine: &Endpoint, token: &str) -> String {
    format!("{}-{token}.lock", engine_hash(engine))
}

/// Engine and token, of a name that [`file_name`] made.
pub(super) fn read_name(name: &str) -> Option<(&str, &str)> {
    name.strip_suffix(".lock")?.split_once('-')
}

pub(super) fn engine_hash(engine: &Endpoint) -> String {
    // One engine by whatever path: /var/run is often a link to /run.
    let real = engine.socket().and_then(|path| std::fs::canonicalize(path).ok());
    let engine = real.map_or_else(|| engine.clone(), Endpoint::Unix);
    crate::spec::spec_hash(&engine.to_string()).chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_engine_and_session() {
        let [here, there] = ["/here", "/there"].map(|path| Endpoint::Unix(path.into()));
        let name = file_name(&here, "abc");
        assert_eq!(read_name(&name), Some((engine_hash(&here).as_str(), "abc")));
        assert_ne!(engine_hash(&here), engine_hash(&there));
        for strange in ["", ".", "..", "x.lock", "a-b", "a-b.lock~"] {
            assert_eq!(read_name(strange), None, "{strange}");
        }
    }

    #[test]
    fn what_is_left_is_read_as_written() {
        let home = tempfile::tempdir().unwrap();
        let config = Config { state_dir: Some(home.path().into()), ..Config::default() };
        let lock = SessionLock::take(&config, &Endpoint::Unix("/x".into())).unwrap();
        assert_eq!(Left::read(&lock.0).unwrap(), Left::default());
        lock.owns(true).unwrap();
        lock.keep(Kind::Container, "abc").unwrap();
        let left = Left::read(&lock.0).unwrap();
        assert!(left.any && left.keeps(Kind::Container, "abc"));
        assert!(!left.keeps(Kind::Network, "abc") && !left.keeps(Kind::Container, "ab"));
        assert!(!left.hold);
        lock.hold().unwrap();
        assert!(Left::read(&lock.0).unwrap().hold);
        lock.owns(false).unwrap();
        assert_eq!(Left::read(&lock.0).unwrap(), Left::default());
        SessionLock::take(&config, &Endpoint::Unix("/x".into())).unwrap_err();
        SessionLock::take(&config, &Endpoint::Unix("/y".into())).unwrap();
    }
}

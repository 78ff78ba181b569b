//! [`StateDir`]: the directory in which the processes of one user on one machine inform each other.
//!
//! It is `$CASTOFF_STATE_DIR/castoff`, `$XDG_STATE_HOME/castoff` or `/var/tmp/castoff-<uid>`: a
//! place that outlives a reboot, since its files are how the resources of a machine that went down
//! are found. Locks are the kernel's (flock(2)), so they end with their holder however it ends.

use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::UnsharedFd;
use crate::random;

/// The number of times a lock file may vanish while it is taken: each time, a sweep has removed it.
const ATTEMPTS: usize = 16;

/// The lock of whoever replaces a file that others have locked as well.
const REPLACING: &str = ".replacing";

/// A directory that only this user can access.
#[derive(Debug)]
pub(super) struct StateDir {
    dir: OwnedFd,
    path: PathBuf,
}

impl StateDir {
    /// Opens one part of the state directory, creating it if necessary.
    ///
    /// # Errors
    /// If the directory can't be created, or is not this user's alone: a link, somebody else's, or
    /// open to others. Nothing is read or written there then.
    pub(super) fn open(config: &Config, part: &str) -> Result<StateDir> {
        let path = root(config);
        if let (Some(_), Some(parent)) = (&config.state_dir, path.parent()) {
            // The XDG specification asks for this mode, whatever the umask is.
            let mut private = std::fs::DirBuilder::new();
            private.recursive(true).mode(0o700);
            private.create(parent).map_err(|error| refused(parent, error))?;
        }
        let root = private(rustix::fs::CWD, &path, &path)?;
        let path = path.join(part);
        Ok(StateDir { dir: private(&root, Path::new(part), &path)?, path })
    }

    /// Takes the exclusive lock of a file, creating it if necessary. Returns `None` if somebody
    /// holds it.
    pub(super) fn lock(&self, name: &str) -> Result<Option<UnsharedFd>> {
        self.flocked(name, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes a lock of a file, creating it if necessary. Returns `None` if that would have to wait.
    pub(super) fn flocked(&self, name: &str, how: FlockOperation) -> Result<Option<UnsharedFd>> {
        for _ in 0..ATTEMPTS {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // Must not wait for the writer of a fifo in its place.
            let flags = flags | OFlags::NONBLOCK;
            let file = UnsharedFd::open(|| {
                rustix::fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR)
            });
            let file = file.map_err(|error| self.refused(name, error))?;
            self.check(name, &file)?;
            match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, how)) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(self.refused(name, error)),
            }
            // The file may have been removed between the two calls: then the lock is worthless.
            if self.is_there(name, &file) {
                return Ok(Some(file));
            }
        }
        Err(self.refused(name, Errno::AGAIN))
    }

    /// Returns whether `file` is the one of this name.
    pub(super) fn is_there(&self, name: &str, file: &OwnedFd) -> bool {
        let there = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        match (there, rustix::fs::fstat(file)) {
            (Ok(there), Ok(own)) => (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev),
            _ => false,
        }
    }

    /// Returns whether anything has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes a file if it is still this one, of which the caller holds a shared lock. Waits for
    /// others who do the same.
    pub(super) fn replace(&self, name: &str, file: &OwnedFd) -> Result<()> {
        let _alone = self.flocked(REPLACING, FlockOperation::LockExclusive)?;
        if self.is_there(name, file) {
            self.remove(name);
        }
        Ok(())
    }

    /// Opens a file to read it, whoever has locked it.
    pub(super) fn read(&self, name: &str) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, name, flags, Mode::empty());
        let file = file.map_err(|error| self.refused(name, error))?;
        self.check(name, &file)?;
        Ok(file)
    }

    /// Returns the names of the files.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let refused = |error| refused(&self.path, error);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            // A name that is not text is not one of ours.
            if let Ok(name) = entry.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Removes a file, whose lock the caller holds.
    pub(super) fn remove(&self, name: &str) {
        if let Err(error) = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            tracing::debug!(name, %error, "a lock file stays");
        }
    }

    /// Checks that a file is a plain one of this user's.
    fn check(&self, name: &str, file: &OwnedFd) -> Result<()> {
        let stat = rustix::fs::fstat(file).map_err(|error| self.refused(name, error))?;
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !plain || stat.st_uid != user() {
            return Err(strange(&self.path.join(name), "is not a plain file of this user's"));
        }
        Ok(())
    }

    pub(super) fn refused(&self, name: &str, error: Errno) -> Error {
        refused(&self.path.join(name), error)
    }
}

/// Returns the name of this state directory, the same for every process that uses it. A process
/// can't judge the resources of processes with another one, on another host or in another
/// container.
pub(super) fn place(config: &Config) -> Result<String> {
    let dir = StateDir::open(config, "place")?;
    if let Some(name) = dir.names()?.into_iter().find(|name| is_place(name)) {
        return Ok(name);
    }
    // The first process chooses it, under a lock; it is the name of an empty file.
    let _alone = dir.flocked(REPLACING, FlockOperation::LockExclusive)?;
    if let Some(name) = dir.names()?.into_iter().find(|name| is_place(name)) {
        return Ok(name);
    }
    let name = random::token();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&dir.dir, &name, flags, Mode::RUSR | Mode::WUSR);
    made.map_err(|error| dir.refused(&name, error))?;
    Ok(name)
}

fn is_place(name: &str) -> bool {
    name.len() == random::TOKEN && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns whether the state directory is in the root of this program's mount namespace: in a
/// container, nobody elsewhere sees it, and it is lost with the container.
pub(super) fn is_in_own_root(config: &Config) -> bool {
    let root = root(config);
    let there = root.ancestors().find_map(|path| std::fs::canonicalize(path).ok());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    there.is_some_and(|there| is_on_root(&there, &mounts))
}

/// Returns whether a path is on the mount at `/`: field 5 of `/proc/self/mountinfo`, proc(5).
fn is_on_root(path: &Path, mounts: &str) -> bool {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    // A mount point with octal escapes is not expected to hold a state directory.
    let nearest = points.filter(|point| path.starts_with(point)).max_by_key(|point| point.len());
    nearest == Some("/")
}

/// Returns the path of the state directory.
fn root(config: &Config) -> PathBuf {
    let common = || PathBuf::from(format!("/var/tmp/castoff-{}", user()));
    config.state_dir.as_ref().map_or_else(common, |dir| dir.join("castoff"))
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Opens a directory, creating it if necessary, and checks that it is this user's alone.
fn private(parent: impl std::os::fd::AsFd, name: &Path, path: &Path) -> Result<OwnedFd> {
    match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(refused(path, error)),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(&parent, name, flags, Mode::empty());
    let dir = dir.map_err(|error| refused(path, error))?;
    let stat = rustix::fs::fstat(&dir).map_err(|error| refused(path, error))?;
    if stat.st_uid != user() {
        return Err(strange(path, "belongs to another user"));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(strange(path, "is open to other users"));
    }
    Ok(dir)
}

fn refused(path: &Path, error: impl Into<std::io::Error>) -> Error {
    let message = format!("{} can't be used", path.display());
    Error::new(ErrorKind::Io, message).with_source(error.into()).with_hint(
        "castoff keeps its locks there; set CASTOFF_STATE_DIR to a directory of yours on a local disk",
    )
}

fn strange(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Io, format!("{} {why}", path.display()))
        .with_hint("remove it if it is nobody's, or set CASTOFF_STATE_DIR to a directory of yours")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn config(dir: &Path) -> Config {
        Config { state_dir: Some(dir.to_owned()), ..Config::default() }
    }

    #[test]
    fn a_lock_is_held_once_and_free_when_its_holder_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let config = config(&home.path().join("not/there/yet"));
        let (one, two) =
            (StateDir::open(&config, "s").unwrap(), StateDir::open(&config, "s").unwrap());
        let held = one.lock("a").unwrap().unwrap();
        assert!(two.lock("a").unwrap().is_none());
        assert!(two.lock("b").unwrap().is_some());
        drop(held);
        let again = two.lock("a").unwrap().unwrap();
        two.remove("a");
        // Another file of that name, so another lock.
        assert!(one.lock("a").unwrap().is_some());
        drop(again);
        let mode = std::fs::metadata(&one.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn every_directory_that_is_made_is_this_users_alone_whatever_the_umask() {
        let home = tempfile::tempdir().unwrap();
        let before = rustix::process::umask(Mode::empty());
        let made = StateDir::open(&config(&home.path().join("not/there")), "s");
        rustix::process::umask(before);
        made.unwrap();
        for level in ["not", "not/there", "not/there/castoff", "not/there/castoff/s"] {
            let mode = std::fs::metadata(home.path().join(level)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{level}");
        }
    }

    #[test]
    fn what_others_may_have_put_there_is_refused_and_untouched() {
        let home = tempfile::tempdir().unwrap();
        let told = |config: &Config| {
            let error = StateDir::open(config, "s").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            format!("{error:?}")
        };
        let elsewhere = home.path().join("elsewhere");
        std::fs::DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
        let linked = home.path().join("linked");
        std::fs::create_dir(&linked).unwrap();
        symlink(&elsewhere, linked.join("castoff")).unwrap();
        assert!(told(&config(&linked)).contains("linked/castoff can't be used"));
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);

        let open = home.path().join("open");
        std::fs::create_dir_all(open.join("castoff")).unwrap();
        let wide = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(open.join("castoff"), wide).unwrap();
        assert!(told(&config(&open)).contains("is open to other users"));

        let file = home.path().join("file");
        std::fs::create_dir(&file).unwrap();
        std::fs::write(file.join("castoff"), "").unwrap();
        assert!(told(&config(&file)).contains("can't be used"));

        // Root's directory is another user's to everybody but root, who can create one that is.
        let root = user() == 0;
        let other = if root { home.path().join("other") } else { "/usr".into() };
        if root {
            std::fs::DirBuilder::new().mode(0o700).create(&other).unwrap();
            std::os::unix::fs::chown(&other, Some(65_534), None).unwrap();
        }
        let error = private(rustix::fs::CWD, &other, &other).unwrap_err();
        assert!(error.to_string().contains("belongs to another user"), "{error}");

        // In a directory that is all right, a link in a file's place.
        let dir = StateDir::open(&config(&elsewhere), "s").unwrap();
        let victim = home.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, dir.path.join("a")).unwrap();
        assert!(dir.lock("a").unwrap_err().to_string().contains("s/a can't be used"));
        std::fs::create_dir(dir.path.join("b")).unwrap();
        dir.lock("b").unwrap_err();
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn what_is_mounted_is_not_in_the_root() {
        let mounts = "1 0 0:52 / / rw - overlay o rw\n2 1 8:1 /v /var rw - ext4 d rw\n\
                      3 2 0:9 / /var/tmp/own rw - tmpfs t rw\n";
        for (path, is) in
            [("/home/u", true), ("/var/tmp", false), ("/var/tmp/own/s", false), ("/variant", true)]
        {
            assert_eq!(is_on_root(path.as_ref(), mounts), is, "{path}");
        }
        assert!(!is_on_root("/x".as_ref(), ""));
    }

    #[test]
    fn everybody_calls_the_place_the_same() {
        let home = tempfile::tempdir().unwrap();
        let config = config(home.path());
        let names: Vec<_> = std::thread::scope(|threads| {
            let asked: Vec<_> = (0..8).map(|_| threads.spawn(|| place(&config).unwrap())).collect();
            asked.into_iter().map(|name| name.join().unwrap()).collect()
        });
        assert!(names.iter().all(|name| *name == names[0] && is_place(name)), "{names:?}");
        let other = tempfile::tempdir().unwrap();
        let elsewhere = Config { state_dir: Some(other.path().into()), ..Config::default() };
        assert_ne!(place(&elsewhere).unwrap(), names[0]);
    }

    #[test]
    fn only_the_file_that_is_held_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&config(home.path()), "s").unwrap();
        let shared = || dir.flocked("a", FlockOperation::NonBlockingLockShared).unwrap().unwrap();
        let old = shared();
        dir.replace("a", &old).unwrap();
        let new = shared();
        assert!(dir.is_there("a", &new) && !dir.is_there("a", &old));
        dir.replace("a", &old).unwrap();
        assert!(dir.is_there("a", &new) && dir.has("a"));
    }

    #[test]
    fn a_directory_that_vanishes_is_an_error_not_a_lock() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&config(home.path()), "s").unwrap();
        std::fs::remove_dir_all(home.path().join("castoff")).unwrap();
        dir.lock("a").unwrap_err();
        assert_eq!(dir.names().unwrap().iter().filter(|name| !name.starts_with('.')).count(), 0);
    }
}

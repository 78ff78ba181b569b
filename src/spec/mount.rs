//! [`Mount`]: host directories, volumes and memory inside a container.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

const MAX_MODE: u32 = 0o7777;

/// A mount in a container (Engine API v1.41, ContainerCreate, `HostConfig.Mounts`).
///
/// ```
/// use castoff::spec::Mount;
///
/// let data = Mount::tmpfs("/data").with_size(64 << 20);
/// let config = Mount::bind("/etc/app.conf", "/app.conf").with_read_only();
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The source of the mount.
    pub kind: MountKind,
    /// The absolute path inside the container.
    pub target: String,
    /// Whether the mount is read-only; `false` by default.
    #[serde(default)]
    pub read_only: bool,
    /// A tmpfs setter that was used on another kind, for [`Mount::validate`] to report.
    #[serde(skip)]
    misused: Option<&'static str>,
}

/// The source of a [`Mount`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A file or directory of the engine's host.
    #[non_exhaustive]
    Bind {
        /// Its absolute path on the engine's host.
        #[serde(serialize_with = "path_as_text")]
        source: PathBuf,
    },
    /// A volume, which the engine creates if it is missing.
    #[non_exhaustive]
    Volume {
        /// Its name; empty for an anonymous volume, which is removed with the container.
        name: String,
    },
    /// Memory, released with the container.
    #[non_exhaustive]
    Tmpfs {
        /// Limit for the size in bytes; `None` stands for the kernel's, half of the host's memory.
        size: Option<u64>,
        /// The directory's permission bits; `None` stands for the engine's, 0o1777.
        mode: Option<u32>,
    },
}

impl Mount {
    /// Creates a mount of a file or directory of the engine's host, by its absolute path.
    #[must_use]
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<String>) -> Mount {
        Mount::of(MountKind::Bind { source: source.into() }, target)
    }

    /// Creates a mount of a volume by its name; an empty name makes an anonymous one.
    #[must_use]
    pub fn volume(name: impl Into<String>, target: impl Into<String>) -> Mount {
        Mount::of(MountKind::Volume { name: name.into() }, target)
    }

    /// Creates a mount of memory, empty at first.
    #[must_use]
    pub fn tmpfs(target: impl Into<String>) -> Mount {
        Mount::of(MountKind::Tmpfs { size: None, mode: None }, target)
    }

    fn of(kind: MountKind, target: impl Into<String>) -> Mount {
        Mount { kind, target: target.into(), read_only: false, misused: None }
    }

    /// Makes the mount read-only.
    #[must_use]
    pub fn with_read_only(mut self) -> Mount {
        self.read_only = true;
        self
    }

    /// Sets a tmpfs's limit in bytes. On another kind, [`Mount::validate`] reports the mistake.
    #[must_use]
    pub fn with_size(mut self, bytes: u64) -> Mount {
        match &mut self.kind {
            MountKind::Tmpfs { size, .. } => *size = Some(bytes),
            _ => self.misused = Some("size"),
        }
        self
    }

    /// Sets a tmpfs's permission bits, such as `0o700`. On another kind, [`Mount::validate`]
    /// reports the mistake.
    #[must_use]
    pub fn with_mode(mut self, bits: u32) -> Mount {
        match &mut self.kind {
            MountKind::Tmpfs { mode, .. } => *mode = Some(bits),
            _ => self.misused = Some("mode"),
        }
        self
    }

    /// Checks everything that needs no engine.
    ///
    /// # Errors
    ///
    /// Names the field `mounts` and the value: a target that is not absolute or is `/`, a bind
    /// source that is not absolute or not UTF-8, a malformed volume name, or a size or mode that
    /// does not fit.
    pub fn validate(&self) -> Result<()> {
        let fail = |problem: String| Err(Error::invalid("mounts", problem));
        let target = &self.target;
        if !target.starts_with('/') {
            return fail(format!("target {target:?} is not an absolute path"));
        }
        if self.normal_target() == "/" {
            return fail(format!("target {target:?} is the container's root"));
        }
        if let Some(setter) = self.misused {
            return fail(format!("{setter} of {target:?} is for tmpfs mounts only"));
        }
        match &self.kind {
            MountKind::Bind { source } if source.to_str().is_none() => {
                fail(format!("bind source {source:?} is not UTF-8, as the engine's API needs"))
            }
            MountKind::Bind { source } if !is_absolute(source) => {
                fail(format!("bind source {source:?} is not an absolute path"))
            }
            MountKind::Volume { name } if !name.is_empty() && !super::check::is_name(name) => {
                fail(format!("volume name {name:?} must match [a-zA-Z0-9][a-zA-Z0-9_.-]+"))
            }
            MountKind::Tmpfs { size: Some(size), .. } if i64::try_from(*size).is_err() => {
                fail(format!("size {size} of {target:?} does not fit 63 bits"))
            }
            MountKind::Tmpfs { mode: Some(mode), .. } if *mode > MAX_MODE => {
                fail(format!("mode {mode:#o} of {target:?} is above 0o7777"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the target without repeated slashes, `.` and `..`, so that two spellings compare
    /// equal.
    pub(super) fn normal_target(&self) -> String {
        let mut parts = Vec::new();
        for part in self.target.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}

/// Returns whether a path is absolute here or on a Unix engine: a Windows client may name a path of
/// its Linux engine.
fn is_absolute(path: &Path) -> bool {
    path.is_absolute() || path.to_str().is_some_and(|path| path.starts_with('/'))
}

/// Serializes a path. Unlike serde's own function it never fails; `validate` refuses the paths that
/// it would change.
fn path_as_text<S: Serializer>(path: &Path, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_mounts() {
        for mount in [
            Mount::bind("/a", "/b").with_read_only(),
            Mount::volume("data_1", "/b/"),
            Mount::volume("", "/b"),
            Mount::tmpfs("/b").with_size(1 << 20).with_mode(0o1777),
        ] {
            mount.validate().unwrap();
        }
    }

    #[test]
    fn errors_name_field_and_value() {
        for (mount, value) in [
            (Mount::tmpfs("data"), "\"data\""),
            (Mount::tmpfs(""), "\"\""),
            (Mount::tmpfs("/a/.."), "\"/a/..\""),
            (Mount::bind("./a", "/b"), "\"./a\""),
            (Mount::bind("", "/b"), "\"\""),
            (Mount::volume("a/b", "/b"), "\"a/b\""),
            (Mount::volume("v1", "/b").with_size(1), "size"),
            (Mount::bind("/a", "/b").with_mode(1), "mode"),
            (Mount::tmpfs("/b").with_mode(0o10000), "0o10000"),
            (Mount::tmpfs("/b").with_size(u64::MAX), "18446744073709551615"),
        ] {
            let error = mount.validate().unwrap_err().to_string();
            assert!(error.starts_with("invalid mounts: ") && error.contains(value), "{error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_source_must_be_text() {
        use std::os::unix::ffi::OsStrExt;
        let mount = Mount::bind(std::ffi::OsStr::from_bytes(b"/\xff"), "/b");
        assert!(mount.validate().is_err());
        assert!(serde_json::to_string(&mount).is_ok());
    }

    #[test]
    fn targets_compare_in_normal_form() {
        assert_eq!(Mount::tmpfs("//a/./b/../c/").normal_target(), "/a/c");
        assert_eq!(Mount::tmpfs("/../..").normal_target(), "/");
    }
}

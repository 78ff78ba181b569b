//! [`RunMount`]: the mounts of a `RUN` (Dockerfile reference, `RUN --mount`).

use super::Word;

/// A `RUN --mount`, created by the function that is named after its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunMount {
    /// A directory that survives between builds.
    Cache(CacheMount),
    /// A secret of the build.
    Secret(SecretMount),
    /// An ssh agent of the build.
    Ssh(SshMount),
    /// Files of the context or of another stage.
    Bind(BindMount),
    /// A directory in memory.
    Tmpfs(TmpfsMount),
    /// A mount whose type, numbers or switches depend on variables, as it is written:
    /// `type=cache,target=/cache,uid=$UID`.
    Unresolved(String),
}

impl RunMount {
    /// Returns whether it has no target, so that engines mount it at the working directory.
    pub(super) fn is_without_target(&self) -> bool {
        match self {
            RunMount::Cache(CacheMount { target, .. })
            | RunMount::Bind(BindMount { target, .. })
            | RunMount::Tmpfs(TmpfsMount { target, .. }) => target.parts().is_empty(),
            _ => false,
        }
    }

    /// Creates a mount of a directory that survives between builds. Default id: its target.
    pub fn cache(target: impl Into<Word>) -> CacheMount {
        CacheMount { target: target.into(), ..CacheMount::default() }
    }

    /// Creates a mount of a secret, at `/run/secrets/ID` unless a target is set.
    pub fn secret(id: impl Into<Word>) -> SecretMount {
        SecretMount { id: Some(id.into()), ..SecretMount::default() }
    }

    /// Creates a mount of the ssh agent with the id `default`.
    #[must_use]
    pub fn ssh() -> SshMount {
        SshMount::default()
    }

    /// Creates a mount of the context, or with [`BindMount::from`] of a stage or an image.
    pub fn bind(target: impl Into<Word>) -> BindMount {
        BindMount { target: target.into(), ..BindMount::default() }
    }

    /// Creates a mount of a directory in memory.
    pub fn tmpfs(target: impl Into<Word>) -> TmpfsMount {
        TmpfsMount { target: target.into(), size: None }
    }
}

/// A mount of type `cache`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CacheMount {
    /// The path to mount it at. Empty stands for the working directory.
    pub target: Word,
    /// The name of the cache: mounts with the same id share it. Default: the target.
    pub id: Option<Word>,
    /// The stage or image that a new cache is filled from.
    pub from: Option<Word>,
    /// The directory in that stage.
    pub source: Option<Word>,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// The behavior when several builds use the cache at once. Default: they share it.
    pub sharing: Option<CacheSharing>,
    /// The mode of a new cache directory. Default: 0755.
    pub mode: Option<u32>,
    /// The user id of a new cache directory. Default: 0.
    pub uid: Option<u32>,
    /// The group id of a new cache directory. Default: 0.
    pub gid: Option<u32>,
}

/// The behavior when several builds use the same cache at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheSharing {
    /// All builds use it at the same time.
    Shared,
    /// Each build gets a cache of its own.
    Private,
    /// One build waits for the other.
    Locked,
}

impl CacheMount {
    /// Sets the name of the cache.
    #[must_use]
    pub fn id(mut self, id: impl Into<Word>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the behavior when several builds use the cache at once.
    #[must_use]
    pub fn sharing(mut self, sharing: CacheSharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// Sets the stage or image that a new cache is filled from, and the directory in it.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>, source: impl Into<Word>) -> Self {
        self.from = Some(stage.into());
        self.source = Some(source.into());
        self
    }

    /// Makes the mount read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets the user and group of a new cache directory.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (Some(uid), Some(gid));
        self
    }

    /// Sets the mode of a new cache directory.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }
}

/// A mount of type `secret`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SecretMount {
    /// The secret's id. Default: the last part of the target.
    pub id: Option<Word>,
    /// The path to mount it at. Default: `/run/secrets/ID`.
    pub target: Option<Word>,
    /// The environment variable to set to it (Dockerfile 1.10).
    pub env: Option<Word>,
    /// Whether the step fails if the secret is missing.
    pub required: bool,
    /// The file's mode. Default: 0400.
    pub mode: Option<u32>,
    /// The file's user id. Default: 0.
    pub uid: Option<u32>,
    /// The file's group id. Default: 0.
    pub gid: Option<u32>,
}

impl SecretMount {
    /// Sets the path to mount it at.
    #[must_use]
    pub fn target(mut self, target: impl Into<Word>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Sets the environment variable that holds it (Dockerfile 1.10).
    #[must_use]
    pub fn env(mut self, name: impl Into<Word>) -> Self {
        self.env = Some(name.into());
        self
    }

    /// Makes the step fail if the secret is missing.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the file's user and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (Some(uid), Some(gid));
        self
    }

    /// Sets the file's mode.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }
}

/// A mount of type `ssh`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SshMount {
    /// The agent's id. Default: `default`.
    pub id: Option<Word>,
    /// The path of the socket. Default: `/run/buildkit/ssh_agent.N`, with `SSH_AUTH_SOCK` set to
    /// it.
    pub target: Option<Word>,
    /// Whether the step fails if the agent is missing.
    pub required: bool,
    /// The socket's mode. Default: 0600.
    pub mode: Option<u32>,
    /// The socket's user id. Default: 0.
    pub uid: Option<u32>,
    /// The socket's group id. Default: 0.
    pub gid: Option<u32>,
}

impl SshMount {
    /// Sets the agent's id.
    #[must_use]
    pub fn id(mut self, id: impl Into<Word>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the path of the socket.
    #[must_use]
    pub fn target(mut self, target: impl Into<Word>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Makes the step fail if the agent is missing.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the socket's user and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (Some(uid), Some(gid));
        self
    }
}

/// A mount of type `bind`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BindMount {
    /// The path to mount it at. Empty stands for the working directory.
    pub target: Word,
    /// The path in the context, stage or image. Default: its root.
    pub source: Option<Word>,
    /// The stage or image to mount from. Default: the build's context.
    pub from: Option<Word>,
    /// Whether the step may write to it. Its changes are discarded.
    pub read_write: bool,
}

impl BindMount {
    /// Sets the path in the context, stage or image.
    #[must_use]
    pub fn source(mut self, source: impl Into<Word>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets the stage or image to mount from.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>) -> Self {
        self.from = Some(stage.into());
        self
    }

    /// Lets the step write to it. Its changes are discarded.
    #[must_use]
    pub fn read_write(mut self) -> Self {
        self.read_write = true;
        self
    }
}

/// A mount of type `tmpfs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TmpfsMount {
    /// The path to mount it at. Empty stands for the working directory.
    pub target: Word,
    /// Limit for its size, in bytes.
    pub size: Option<u64>,
}

impl TmpfsMount {
    /// Sets the limit for its size, in bytes.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }
}

impl From<CacheMount> for RunMount {
    fn from(mount: CacheMount) -> RunMount {
        RunMount::Cache(mount)
    }
}

impl From<SecretMount> for RunMount {
    fn from(mount: SecretMount) -> RunMount {
        RunMount::Secret(mount)
    }
}

impl From<SshMount> for RunMount {
    fn from(mount: SshMount) -> RunMount {
        RunMount::Ssh(mount)
    }
}

impl From<BindMount> for RunMount {
    fn from(mount: BindMount) -> RunMount {
        RunMount::Bind(mount)
    }
}

impl From<TmpfsMount> for RunMount {
    fn from(mount: TmpfsMount) -> RunMount {
        RunMount::Tmpfs(mount)
    }
}

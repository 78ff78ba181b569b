//! [`RunMount`]: what a `RUN` may have mounted (Dockerfile reference, `RUN --mount`).

use super::Word;

/// A `RUN --mount`: made by the functions that are named after its types.
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
    /// One whose type, numbers or switches depend on variables, as it is written:
    /// `type=cache,target=/cache,uid=$UID`.
    Unresolved(String),
}

impl RunMount {
    /// Whether it is one that engines put at the working directory, for want of a target.
    pub(super) fn is_without_target(&self) -> bool {
        match self {
            RunMount::Cache(CacheMount { target, .. })
            | RunMount::Bind(BindMount { target, .. })
            | RunMount::Tmpfs(TmpfsMount { target, .. }) => target.parts().is_empty(),
            _ => false,
        }
    }

    /// A directory that survives between builds. Default id: its target.
    pub fn cache(target: impl Into<Word>) -> CacheMount {
        CacheMount { target: target.into(), ..CacheMount::default() }
    }

    /// A secret, at `/run/secrets/ID` unless told otherwise.
    pub fn secret(id: impl Into<Word>) -> SecretMount {
        SecretMount { id: Some(id.into()), ..SecretMount::default() }
    }

    /// The ssh agent of id `default`.
    #[must_use]
    pub fn ssh() -> SshMount {
        SshMount::default()
    }

    /// The context, or with [`BindMount::from`] a stage or an image.
    pub fn bind(target: impl Into<Word>) -> BindMount {
        BindMount { target: target.into(), ..BindMount::default() }
    }

    /// A directory in memory.
    pub fn tmpfs(target: impl Into<Word>) -> TmpfsMount {
        TmpfsMount { target: target.into(), size: None }
    }
}

/// A mount of type `cache`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CacheMount {
    /// Where it is mounted. Empty stands for the working directory.
    pub target: Word,
    /// What tells it from others. Default: the target.
    pub id: Option<Word>,
    /// The stage or image that it begins with.
    pub from: Option<Word>,
    /// The directory in that stage.
    pub source: Option<Word>,
    /// Whether it can't be written to.
    pub read_only: bool,
    /// What happens when several builds want it. Default: they share it.
    pub sharing: Option<CacheSharing>,
    /// The mode of a new one. Default: 0755.
    pub mode: Option<u32>,
    /// The user of a new one. Default: 0.
    pub uid: Option<u32>,
    /// The group of a new one. Default: 0.
    pub gid: Option<u32>,
}

/// What happens when several builds want the same cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheSharing {
    /// They use it at the same time.
    Shared,
    /// Each gets one of its own.
    Private,
    /// One waits for the other.
    Locked,
}

impl CacheMount {
    /// What tells it from others.
    #[must_use]
    pub fn id(mut self, id: impl Into<Word>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What happens when several builds want it.
    #[must_use]
    pub fn sharing(mut self, sharing: CacheSharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// The stage or image that a new one begins with, and the directory in it.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>, source: impl Into<Word>) -> Self {
        self.from = Some(stage.into());
        self.source = Some(source.into());
        self
    }

    /// It can't be written to.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// User and group of a new one.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (Some(uid), Some(gid));
        self
    }

    /// The mode of a new one.
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
    /// Where it is mounted. Default: `/run/secrets/ID`.
    pub target: Option<Word>,
    /// The environment variable that holds it (Dockerfile 1.10).
    pub env: Option<Word>,
    /// Whether the step fails without it.
    pub required: bool,
    /// The file's mode. Default: 0400.
    pub mode: Option<u32>,
    /// The file's user. Default: 0.
    pub uid: Option<u32>,
    /// The file's group. Default: 0.
    pub gid: Option<u32>,
}

impl SecretMount {
    /// Where it is mounted.
    #[must_use]
    pub fn target(mut self, target: impl Into<Word>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The environment variable that holds it (Dockerfile 1.10).
    #[must_use]
    pub fn env(mut self, name: impl Into<Word>) -> Self {
        self.env = Some(name.into());
        self
    }

    /// The step fails without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The file's user and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (Some(uid), Some(gid));
        self
    }

    /// The file's mode.
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
    /// Where the socket is. Default: `/run/buildkit/ssh_agent.N`, with `SSH_AUTH_SOCK` set to it.
    pub target: Option<Word>,
    /// Whether the step fails without it.
    pub required: bool,
    /// The socket's mode. Default: 0600.
    pub mode: Option<u32>,
    /// The socket's user. Default: 0.
    pub uid: Option<u32>,
    /// The socket's group. Default: 0.
    pub gid: Option<u32>,
}

impl SshMount {
    /// The agent's id.
    #[must_use]
    pub fn id(mut self, id: impl Into<Word>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Where the socket is.
    #[must_use]
    pub fn target(mut self, target: impl Into<Word>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The step fails without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The socket's user and group.
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
    /// Where it is mounted. Empty stands for the working directory.
    pub target: Word,
    /// The path in the context, stage or image. Default: all of it.
    pub source: Option<Word>,
    /// The stage or image. Default: the build's context.
    pub from: Option<Word>,
    /// Whether the step may write; what it writes is lost.
    pub read_write: bool,
}

impl BindMount {
    /// The path in the context, stage or image.
    #[must_use]
    pub fn source(mut self, source: impl Into<Word>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The stage or image.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>) -> Self {
        self.from = Some(stage.into());
        self
    }

    /// The step may write; what it writes is lost.
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
    /// Where it is mounted. Empty stands for the working directory.
    pub target: Word,
    /// How large it may grow, in bytes.
    pub size: Option<u64>,
}

impl TmpfsMount {
    /// How large it may grow, in bytes.
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

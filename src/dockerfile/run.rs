//! [`Run`]: the `RUN` instruction, with its mounts.

use super::mount::RunMount;
use super::{Command, Heredoc, Word};

/// A `RUN` instruction.
///
/// ```
/// use castoff::dockerfile::{Run, RunNetwork};
///
/// let run = Run::shell("go mod download").cache("/go/pkg/mod").network(RunNetwork::Default);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Run {
    /// The command. It names its [`heredocs`](Self::heredocs), as in `python3 <<EOF`.
    pub command: Command,
    /// The mounts (BuildKit).
    pub mounts: Vec<RunMount>,
    /// The network (BuildKit). Default: the build's.
    pub network: Option<RunNetwork>,
    /// The security mode (BuildKit, with an entitlement). Default: sandboxed.
    pub security: Option<RunSecurity>,
    /// Devices by their CDI names, such as `vendor.com/gpu=all` (BuildKit, Dockerfile labs).
    pub devices: Vec<Word>,
    /// The texts that follow the instruction (Dockerfile 1.4).
    pub heredocs: Vec<Heredoc>,
}

/// The network of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunNetwork {
    /// The network of the build.
    Default,
    /// No network but a loopback of its own.
    None,
    /// The host's network, which the engine must allow.
    Host,
}

/// The security mode of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunSecurity {
    /// The usual confinement of containers.
    Sandbox,
    /// Like `docker run --privileged`, which the engine must allow.
    Insecure,
}

impl Run {
    /// Creates a `RUN` in shell form. Text of several lines becomes a [`script`](Self::script),
    /// unless the line breaks are escaped.
    pub fn shell(text: impl Into<String>) -> Run {
        match Command::shell(text) {
            Command::Shell(text) if text.contains('\n') => Run::script(text),
            command => Run::new(command),
        }
    }

    /// Creates a `RUN` in exec form.
    pub fn exec(words: impl IntoIterator<Item = impl Into<String>>) -> Run {
        Run::new(Command::exec(words))
    }

    /// Creates a `RUN` in shell form from separate words, like [`Command::shell_words`].
    pub fn shell_words(words: impl IntoIterator<Item = impl AsRef<str>>) -> Run {
        Run::new(Command::shell_words(words))
    }

    /// Creates a `RUN` of a script of several lines, as a heredoc. If it begins with `#!`, the
    /// program named there runs it.
    ///
    /// Needs an engine of API 1.42 or newer (Docker 23) with BuildKit.
    pub fn script(text: impl Into<String>) -> Run {
        let heredoc = Heredoc::new("EOF", text).literal();
        let mut run = Run::new(Command::Shell(heredoc.word()));
        run.heredocs.push(heredoc);
        run
    }

    fn new(command: Command) -> Run {
        Run {
            command,
            mounts: Vec::new(),
            network: None,
            security: None,
            devices: Vec::new(),
            heredocs: Vec::new(),
        }
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: impl Into<RunMount>) -> Run {
        self.mounts.push(mount.into());
        self
    }

    /// Mounts a directory that survives between builds, like [`RunMount::cache`].
    #[must_use]
    pub fn cache(self, target: impl Into<Word>) -> Run {
        self.mount(RunMount::cache(target))
    }

    /// Mounts a secret at `/run/secrets/ID`. The step fails if the build has no such secret.
    #[must_use]
    pub fn secret(self, id: impl Into<Word>) -> Run {
        self.mount(RunMount::secret(id).required())
    }

    /// Mounts the build's ssh agent. The step fails if the build has none.
    #[must_use]
    pub fn ssh(self) -> Run {
        self.mount(RunMount::ssh().required())
    }

    /// Mounts a directory in memory.
    #[must_use]
    pub fn tmpfs(self, target: impl Into<Word>) -> Run {
        self.mount(RunMount::tmpfs(target))
    }

    /// Sets the network.
    #[must_use]
    pub fn network(mut self, network: RunNetwork) -> Run {
        self.network = Some(network);
        self
    }

    /// Sets the security mode.
    #[must_use]
    pub fn security(mut self, security: RunSecurity) -> Run {
        self.security = Some(security);
        self
    }

    /// Adds a device by its CDI name, such as `vendor.com/gpu=all` (Dockerfile labs). With
    /// `,required` the build fails if it is missing.
    #[must_use]
    pub fn device(mut self, name: impl Into<Word>) -> Run {
        self.devices.push(name.into());
        self
    }

    /// Adds a text for the command to read. The command names it, as in `cat <<EOF > /x`.
    #[must_use]
    pub fn heredoc(mut self, heredoc: Heredoc) -> Run {
        self.heredocs.push(heredoc);
        self
    }
}

impl From<&str> for Run {
    fn from(text: &str) -> Run {
        Run::shell(text)
    }
}

impl From<String> for Run {
    fn from(text: String) -> Run {
        Run::shell(text)
    }
}

impl From<&String> for Run {
    fn from(text: &String) -> Run {
        Run::shell(text)
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Run {
    fn from(words: [S; N]) -> Run {
        Run::exec(words)
    }
}

impl<S: Into<String>> From<Vec<S>> for Run {
    fn from(words: Vec<S>) -> Run {
        Run::exec(words)
    }
}

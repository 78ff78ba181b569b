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
    /// What is run. Where [`heredocs`](Self::heredocs) belong to it, it names them, as in
    /// `python3 <<EOF`.
    pub command: Command,
    /// What is mounted for it (BuildKit).
    pub mounts: Vec<RunMount>,
    /// The network (BuildKit). Default: that of the build.
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
    /// That of the build.
    Default,
    /// None but its own loopback.
    None,
    /// The host's; the engine must allow it.
    Host,
}

/// The security mode of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunSecurity {
    /// As containers usually run.
    Sandbox,
    /// As `docker run --privileged`; the engine must allow it.
    Insecure,
}

impl Run {
    /// The shell form. Text of several lines becomes a [`script`](Self::script), unless the line
    /// breaks are escaped.
    pub fn shell(text: impl Into<String>) -> Run {
        match Command::shell(text) {
            Command::Shell(text) if text.contains('\n') => Run::script(text),
            command => Run::new(command),
        }
    }

    /// The exec form.
    pub fn exec(words: impl IntoIterator<Item = impl Into<String>>) -> Run {
        Run::new(Command::exec(words))
    }

    /// The shell form of words that are to arrive as they are, as
    /// [`Command::shell_words`].
    pub fn shell_words(words: impl IntoIterator<Item = impl AsRef<str>>) -> Run {
        Run::new(Command::shell_words(words))
    }

    /// A script of several lines, as a heredoc; with `#!` in front by whatever program that names.
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

    /// A mount.
    #[must_use]
    pub fn mount(mut self, mount: impl Into<RunMount>) -> Run {
        self.mounts.push(mount.into());
        self
    }

    /// A directory that survives between builds, as
    /// [`RunMount::cache`].
    #[must_use]
    pub fn cache(self, target: impl Into<Word>) -> Run {
        self.mount(RunMount::cache(target))
    }

    /// A secret at `/run/secrets/ID`, required: without it the build fails.
    #[must_use]
    pub fn secret(self, id: impl Into<Word>) -> Run {
        self.mount(RunMount::secret(id).required())
    }

    /// The ssh agent that the build was given, required.
    #[must_use]
    pub fn ssh(self) -> Run {
        self.mount(RunMount::ssh().required())
    }

    /// A directory in memory.
    #[must_use]
    pub fn tmpfs(self, target: impl Into<Word>) -> Run {
        self.mount(RunMount::tmpfs(target))
    }

    /// The network.
    #[must_use]
    pub fn network(mut self, network: RunNetwork) -> Run {
        self.network = Some(network);
        self
    }

    /// The security mode.
    #[must_use]
    pub fn security(mut self, security: RunSecurity) -> Run {
        self.security = Some(security);
        self
    }

    /// A device by its CDI name, such as `vendor.com/gpu=all`; with `,required` the build fails
    /// without it (Dockerfile labs).
    #[must_use]
    pub fn device(mut self, name: impl Into<Word>) -> Run {
        self.devices.push(name.into());
        self
    }

    /// A text that the command reads: the command names it, as in `cat <<EOF > /x`.
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

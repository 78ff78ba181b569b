//! [`Instruction`]: every instruction but `FROM`.

use super::{Add, Command, CopyFiles, Heredoc, Run, Word};
use crate::spec::Healthcheck;

/// An instruction of a [`Stage`](super::Stage): every one of the Dockerfile reference but `FROM`,
/// which begins a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Instruction {
    /// `RUN`: a command whose changes are kept.
    Run(Run),
    /// `CMD`: the command of a container, or the arguments of its entrypoint.
    Cmd(Command),
    /// `ENTRYPOINT`: the entrypoint of a container.
    Entrypoint(Command),
    /// `COPY`.
    Copy(CopyFiles),
    /// `ADD`.
    Add(Add),
    /// `ENV`: environment variables of later steps and of containers.
    Env(Vec<(Word, Word)>),
    /// `ARG`: build arguments.
    Arg(Vec<Arg>),
    /// `LABEL`: labels of the image.
    Label(Vec<(Word, Word)>),
    /// `EXPOSE`: ports such as `80`, `53/udp` or `8000-8010`.
    Expose(Vec<Word>),
    /// `VOLUME`: directories that become volumes of containers.
    Volume(Vec<Word>),
    /// `USER`: a user, with a group after a colon.
    User(Word),
    /// `WORKDIR`: the working directory of later steps and of containers, created if it is missing.
    Workdir(Word),
    /// `SHELL`: the shell that runs commands in shell form.
    Shell(Vec<String>),
    /// `STOPSIGNAL`: the signal that `docker stop` sends.
    StopSignal(Word),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `ONBUILD`: an instruction that builds of images based on this one run first.
    OnBuild(Trigger),
    /// `MAINTAINER`, deprecated in favor of a label.
    Maintainer(String),
    /// An instruction that [`Dockerfile::parse`](super::Dockerfile::parse) could not read,
    /// unchanged.
    Unknown {
        /// The keyword, in upper case.
        keyword: String,
        /// The text after the keyword.
        text: String,
        /// The heredocs that it names.
        heredocs: Vec<Heredoc>,
    },
}

/// A build argument, with a default for builds that don't set it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Arg {
    /// Its name.
    pub name: Word,
    /// The value for builds that don't set it.
    pub default: Option<Word>,
}

impl Arg {
    /// Creates an argument without a default.
    pub fn new(name: impl Into<Word>) -> Arg {
        Arg { name: name.into(), default: None }
    }

    /// Sets the value for builds that don't set it.
    #[must_use]
    pub fn with_default(mut self, value: impl Into<Word>) -> Arg {
        self.default = Some(value.into());
        self
    }
}

/// An instruction that `ONBUILD` may hold: any but `FROM`, `MAINTAINER` and `ONBUILD` itself.
///
/// Made by [`From`] of [`Run`], [`CopyFiles`] and [`Add`], and by functions for the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trigger(Box<Instruction>);

impl Trigger {
    /// Creates an `ONBUILD ENV`.
    pub fn env(name: impl Into<Word>, value: impl Into<Word>) -> Trigger {
        Trigger::of(Instruction::Env(vec![(name.into(), value.into())]))
    }

    /// Creates an `ONBUILD ARG`.
    #[must_use]
    pub fn arg(arg: Arg) -> Trigger {
        Trigger::of(Instruction::Arg(vec![arg]))
    }

    /// Creates an `ONBUILD LABEL`.
    pub fn label(name: impl Into<Word>, value: impl Into<Word>) -> Trigger {
        Trigger::of(Instruction::Label(vec![(name.into(), value.into())]))
    }

    /// Creates an `ONBUILD WORKDIR`.
    pub fn workdir(path: impl Into<Word>) -> Trigger {
        Trigger::of(Instruction::Workdir(path.into()))
    }

    /// Creates an `ONBUILD USER`.
    pub fn user(user: impl Into<Word>) -> Trigger {
        Trigger::of(Instruction::User(user.into()))
    }

    /// Creates an `ONBUILD CMD`.
    pub fn cmd(command: impl Into<Command>) -> Trigger {
        Trigger::of(Instruction::Cmd(command.into()))
    }

    /// Creates an `ONBUILD ENTRYPOINT`.
    pub fn entrypoint(command: impl Into<Command>) -> Trigger {
        Trigger::of(Instruction::Entrypoint(command.into()))
    }

    pub(super) fn of(instruction: Instruction) -> Trigger {
        Trigger(Box::new(instruction))
    }

    /// Returns the instruction.
    #[must_use]
    pub fn instruction(&self) -> &Instruction {
        &self.0
    }
}

impl Instruction {
    /// Returns its keyword, in upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        match self {
            Instruction::Run(_) => "RUN",
            Instruction::Cmd(_) => "CMD",
            Instruction::Entrypoint(_) => "ENTRYPOINT",
            Instruction::Copy(_) => "COPY",
            Instruction::Add(_) => "ADD",
            Instruction::Env(_) => "ENV",
            Instruction::Arg(_) => "ARG",
            Instruction::Label(_) => "LABEL",
            Instruction::Expose(_) => "EXPOSE",
            Instruction::Volume(_) => "VOLUME",
            Instruction::User(_) => "USER",
            Instruction::Workdir(_) => "WORKDIR",
            Instruction::Shell(_) => "SHELL",
            Instruction::StopSignal(_) => "STOPSIGNAL",
            Instruction::Healthcheck(_) => "HEALTHCHECK",
            Instruction::OnBuild(_) => "ONBUILD",
            Instruction::Maintainer(_) => "MAINTAINER",
            Instruction::Unknown { keyword, .. } => keyword,
        }
    }
}

impl From<Run> for Instruction {
    fn from(run: Run) -> Instruction {
        Instruction::Run(run)
    }
}

impl From<CopyFiles> for Instruction {
    fn from(copy: CopyFiles) -> Instruction {
        Instruction::Copy(copy)
    }
}

impl From<Add> for Instruction {
    fn from(add: Add) -> Instruction {
        Instruction::Add(add)
    }
}

impl From<Arg> for Instruction {
    fn from(arg: Arg) -> Instruction {
        Instruction::Arg(vec![arg])
    }
}

impl From<Healthcheck> for Instruction {
    fn from(check: Healthcheck) -> Instruction {
        Instruction::Healthcheck(check)
    }
}

impl From<Run> for Trigger {
    fn from(run: Run) -> Trigger {
        Trigger::of(run.into())
    }
}

impl From<CopyFiles> for Trigger {
    fn from(copy: CopyFiles) -> Trigger {
        Trigger::of(copy.into())
    }
}

impl From<Add> for Trigger {
    fn from(add: Add) -> Trigger {
        Trigger::of(add.into())
    }
}

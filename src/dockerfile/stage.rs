//! [`Stage`]: a `FROM` and the instructions that follow it.

use super::{Add, Arg, Command, CopyFiles, Instruction, IntoWords, Run, Trigger, Word};
use crate::spec::Healthcheck;

/// A stage of a [`Dockerfile`](super::Dockerfile). It begins with `FROM`, so there is no other way
/// to make one than [`Stage::from_image`].
///
/// ```
/// use castoff::dockerfile::{CopyFiles, Run, Stage};
///
/// let stage = Stage::from_image("golang:1.22")
///     .named("builder")
///     .workdir("/app")
///     .copy(["go.mod", "go.sum"], "./")
///     .run(Run::shell("go mod download").cache("/go/pkg/mod"))
///     .with(CopyFiles::new(".", ".").chown("1000:1000"))
///     .run("CGO_ENABLED=0 go build -o server .");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stage {
    /// The image, the name of an earlier stage, or `scratch`.
    pub from: Word,
    /// The image's platform, such as `linux/arm64` or `$BUILDPLATFORM`. Default: that of the build.
    pub platform: Option<Word>,
    /// Its name, for the `FROM` and `COPY --from` of later stages, and as a build's target.
    pub name: Option<String>,
    /// The instructions, in order.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// Creates a stage that begins with an image, with a named earlier stage, or with nothing
    /// (`scratch`).
    pub fn from_image(image: impl Into<Word>) -> Stage {
        Stage { from: image.into(), platform: None, name: None, instructions: Vec::new() }
    }

    /// Creates a stage that begins with nothing.
    #[must_use]
    pub fn scratch() -> Stage {
        Stage::from_image("scratch")
    }

    /// Sets its name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Stage {
        self.name = Some(name.into());
        self
    }

    /// Sets the platform of its base image.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<Word>) -> Stage {
        self.platform = Some(platform.into());
        self
    }

    /// Any instruction, such as a [`CopyFiles`], [`Add`] or [`Run`] with options.
    #[must_use]
    pub fn with(mut self, instruction: impl Into<Instruction>) -> Stage {
        self.instructions.push(instruction.into());
        self
    }

    /// Runs a command: a string in shell form, an array in exec form, or a [`Run`] with mounts.
    #[must_use]
    pub fn run(self, run: impl Into<Run>) -> Stage {
        self.with(run.into())
    }

    /// Sets the command of containers, or the arguments of their entrypoint.
    #[must_use]
    pub fn cmd(self, command: impl Into<Command>) -> Stage {
        self.with(Instruction::Cmd(command.into()))
    }

    /// Sets the entrypoint of containers.
    #[must_use]
    pub fn entrypoint(self, command: impl Into<Command>) -> Stage {
        self.with(Instruction::Entrypoint(command.into()))
    }

    /// Copies from the build's context.
    #[must_use]
    pub fn copy(self, sources: impl IntoWords, target: impl Into<Word>) -> Stage {
        self.with(CopyFiles::new(sources, target))
    }

    /// Copies from an earlier stage, an image or a named context.
    #[must_use]
    pub fn copy_from(
        self,
        from: impl Into<Word>,
        sources: impl IntoWords,
        target: impl Into<Word>,
    ) -> Stage {
        self.with(CopyFiles::new(sources, target).from_stage(from))
    }

    /// Adds files, the content of archives, or the file at a URL.
    #[must_use]
    pub fn add(self, sources: impl IntoWords, target: impl Into<Word>) -> Stage {
        self.with(Add::new(sources, target))
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(self, name: impl Into<Word>, value: impl Into<Word>) -> Stage {
        self.with(Instruction::Env(vec![(name.into(), value.into())]))
    }

    /// Declares a build argument without a default.
    #[must_use]
    pub fn arg(self, name: impl Into<Word>) -> Stage {
        self.with(Arg::new(name))
    }

    /// Declares a build argument with a default.
    #[must_use]
    pub fn arg_default(self, name: impl Into<Word>, value: impl Into<Word>) -> Stage {
        self.with(Arg::new(name).with_default(value))
    }

    /// Sets a label of the image.
    #[must_use]
    pub fn label(self, name: impl Into<Word>, value: impl Into<Word>) -> Stage {
        self.with(Instruction::Label(vec![(name.into(), value.into())]))
    }

    /// Declares a port, such as `80`. For UDP or a range use [`Instruction::Expose`].
    #[must_use]
    pub fn expose(self, port: u16) -> Stage {
        self.with(Instruction::Expose(vec![Word::literal(port.to_string())]))
    }

    /// Declares a directory that becomes a volume of each container.
    #[must_use]
    pub fn volume(self, path: impl Into<Word>) -> Stage {
        self.with(Instruction::Volume(vec![path.into()]))
    }

    /// Sets the user of later steps and of containers, by name or number, with a group after a
    /// colon.
    #[must_use]
    pub fn user(self, user: impl Into<Word>) -> Stage {
        self.with(Instruction::User(user.into()))
    }

    /// Sets the working directory of later steps and of containers.
    #[must_use]
    pub fn workdir(self, path: impl Into<Word>) -> Stage {
        self.with(Instruction::Workdir(path.into()))
    }

    /// Sets the shell that runs later commands in shell form.
    #[must_use]
    pub fn shell(self, words: impl IntoIterator<Item = impl Into<String>>) -> Stage {
        self.with(Instruction::Shell(words.into_iter().map(Into::into).collect()))
    }

    /// Sets the signal that `docker stop` sends, such as `SIGINT`.
    #[must_use]
    pub fn stop_signal(self, signal: impl Into<Word>) -> Stage {
        self.with(Instruction::StopSignal(signal.into()))
    }

    /// Sets the health check.
    #[must_use]
    pub fn healthcheck(self, check: Healthcheck) -> Stage {
        self.with(check)
    }

    /// Adds an instruction that builds of images based on this one run first.
    #[must_use]
    pub fn on_build(self, trigger: impl Into<Trigger>) -> Stage {
        self.with(Instruction::OnBuild(trigger.into()))
    }
}

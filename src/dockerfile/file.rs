//! [`Dockerfile`]: directives, global arguments, stages.

use super::parse::{self, Parsed};
use super::stages::LONGEST;
use super::{Arg, Stage, Word, render};
use crate::error::Result;

/// A Dockerfile as a value.
///
/// ```
/// use castoff::dockerfile::{Dockerfile, Stage};
///
/// let file = Dockerfile::new()
///     .stage(Stage::from_image("alpine:3").named("builder").run("echo 'hello' > /greeting"))
///     .stage(Stage::scratch().copy_from("builder", "/greeting", "/"));
///
/// assert_eq!(
///     file.render()?,
///     "FROM alpine:3 AS builder\nRUN echo 'hello' > /greeting\n\n\
///      FROM scratch\nCOPY --from=builder /greeting /\n",
/// );
/// assert_eq!(Dockerfile::parse(&file.render()?).into_dockerfile()?, file);
/// # Ok::<(), castoff::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dockerfile {
    /// `# syntax=`: the image of the frontend that reads the file. Default: the frontend that is
    /// built into the engine, which needs no pull.
    pub syntax: Option<String>,
    /// `# escape=`: the escape character, a backslash or a backtick. Default: a backslash.
    pub escape: Option<char>,
    /// `# check=`: settings of build checks.
    pub check: Option<String>,
    /// Arguments before the first stage, for use in `FROM`s.
    pub args: Vec<Arg>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

impl Dockerfile {
    /// Creates a Dockerfile without stages.
    #[must_use]
    pub fn new() -> Dockerfile {
        Dockerfile::default()
    }

    /// Creates a Dockerfile of a single stage.
    #[must_use]
    pub fn of(stage: Stage) -> Dockerfile {
        Dockerfile::new().stage(stage)
    }

    /// Reads a Dockerfile. Returns everything that could be read, with
    /// [diagnostics](Parsed::diagnostics) for the rest.
    #[must_use]
    pub fn parse(text: &str) -> Parsed {
        parse::parse(text)
    }

    /// Adds a stage. The last stage is the one that is built, unless the build names another.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Dockerfile {
        self.stages.push(stage);
        self
    }

    /// Adds an argument for the `FROM`s, without a default.
    #[must_use]
    pub fn arg(mut self, name: impl Into<Word>) -> Dockerfile {
        self.args.push(Arg::new(name));
        self
    }

    /// Adds an argument for the `FROM`s, with a default.
    #[must_use]
    pub fn arg_default(mut self, name: impl Into<Word>, value: impl Into<Word>) -> Dockerfile {
        self.args.push(Arg::new(name).with_default(value));
        self
    }

    /// Sets the frontend that reads the file, such as `docker/dockerfile:1`.
    #[must_use]
    pub fn syntax(mut self, image: impl Into<String>) -> Dockerfile {
        self.syntax = Some(image.into());
        self
    }

    /// Sets the escape character: a backslash or a backtick.
    #[must_use]
    pub fn escape(mut self, escape: char) -> Dockerfile {
        self.escape = Some(escape);
        self
    }

    /// Writes the text. Parsing it gives the same value again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) names the instruction that can't
    /// be written: an `ENV` with a line break in it, a shell command that would be read as JSON.
    pub fn render(&self) -> Result<String> {
        render::render(self)
    }

    /// Returns the escape character in effect.
    pub(crate) fn escape_char(&self) -> char {
        self.escape.unwrap_or('\\')
    }

    /// Returns the first instruction that needs heredocs, if any.
    pub(crate) fn heredoc(&self) -> Option<&super::Instruction> {
        use super::{Instruction, Source};
        let has = |instruction: &&super::Instruction| {
            let instruction = match instruction {
                Instruction::OnBuild(trigger) => trigger.instruction(),
                instruction => instruction,
            };
            let text = |source: &Source| matches!(source, Source::Heredoc(_));
            match instruction {
                Instruction::Run(run) => !run.heredocs.is_empty(),
                Instruction::Copy(copy) => copy.sources.iter().any(text),
                Instruction::Add(add) => add.sources.iter().any(text),
                _ => false,
            }
        };
        self.stages.iter().flat_map(|stage| &stage.instructions).find(has)
    }

    /// Returns the image and platform of each `FROM`, for given build arguments. Leaves out
    /// `scratch` and references to earlier stages.
    pub(crate) fn bases(&self, given: &dyn Fn(&str) -> Option<String>) -> Vec<Base> {
        let mut known: Vec<(String, Option<String>)> = Vec::new();
        let look = |known: &[(String, Option<String>)], name: &str| {
            known.iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.clone())
        };
        for arg in &self.args {
            let name = arg.name.expand(|name| look(&known, name)).unwrap_or_default();
            let default = || {
                let value = arg.default.as_ref()?;
                value.expand(|name| look(&known, name).or_else(|| given(name))).ok()
            };
            let value = given(&name).or_else(default).filter(|value| value.len() <= LONGEST);
            known.push((name, value));
        }
        let value = |name: &str| look(&known, name).or_else(|| given(name));
        let mut names: Vec<String> = Vec::new();
        let mut bases = Vec::new();
        for stage in &self.stages {
            let image = stage.from.expand(value).unwrap_or_default();
            let platform = stage.platform.as_ref().and_then(|word| word.expand(value).ok());
            if image != "scratch" && !names.contains(&image.to_ascii_lowercase()) {
                bases.push(Base { image, platform, stage: bases_stage(stage, names.len()) });
            }
            names.push(stage.name.clone().unwrap_or_default().to_ascii_lowercase());
        }
        bases
    }
}

/// An image that a stage begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) image: String,
    pub(crate) platform: Option<String>,
    /// The stage's name or number.
    pub(crate) stage: String,
}

fn bases_stage(stage: &Stage, number: usize) -> String {
    stage.name.clone().unwrap_or_else(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_what_is_not_a_stage() {
        let file = Dockerfile::new()
            .arg_default("TAG", "1")
            .arg("NAME")
            .stage(Stage::from_image("golang:$TAG").named("Build").platform("$BUILDPLATFORM"))
            .stage(Stage::from_image("build"))
            .stage(Stage::from_image("scratch"))
            .stage(Stage::from_image("${NAME:-debian}"));
        let bases = file.bases(&|name| (name == "BUILDPLATFORM").then(|| "linux/amd64".into()));
        let shown: Vec<_> =
            bases.iter().map(|base| (base.image.as_str(), base.platform.as_deref())).collect();
        assert_eq!(shown, [("golang:1", Some("linux/amd64")), ("debian", None)]);
        let bases = file.bases(&|name| (name == "TAG").then(|| "2".into()));
        assert_eq!(bases[0].image, "golang:2");
        assert_eq!(bases[1].stage, "3");
    }

    #[test]
    fn values_that_double_take_no_memory() {
        let mut file = Dockerfile::new().arg_default("a0", "xx");
        for number in 0..100 {
            file = file.arg_default(format!("a{}", number + 1), format!("$a{number}$a{number}"));
        }
        let bases = file.stage(Stage::from_image("${a5}${a100}")).bases(&|_| None);
        assert_eq!(bases[0].image, "x".repeat(64));
    }
}

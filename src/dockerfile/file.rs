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
    /// `# syntax=`: the image of the frontend that reads it. Default: the engine's own, without
    /// which the engine would have to pull one.
    pub syntax: Option<String>,
    /// `# escape=`: the escape character, a backslash or a backtick. Default: a backslash.
    pub escape: Option<char>,
    /// `# check=`: settings of build checks.
    pub check: Option<String>,
    /// Arguments before the first stage, for the `FROM`s.
    pub args: Vec<Arg>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

impl Dockerfile {
    /// One without stages.
    #[must_use]
    pub fn new() -> Dockerfile {
        Dockerfile::default()
    }

    /// One of a single stage.
    #[must_use]
    pub fn of(stage: Stage) -> Dockerfile {
        Dockerfile::new().stage(stage)
    }

    /// Reads a Dockerfile. What is wrong with it comes as
    /// [diagnostics](Parsed::diagnostics), beside all that could be read.
    #[must_use]
    pub fn parse(text: &str) -> Parsed {
        parse::parse(text)
    }

    /// Adds a stage. The last one is what is built, unless the build names another.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Dockerfile {
        self.stages.push(stage);
        self
    }

    /// An argument for the `FROM`s, without a default.
    #[must_use]
    pub fn arg(mut self, name: impl Into<Word>) -> Dockerfile {
        self.args.push(Arg::new(name));
        self
    }

    /// An argument for the `FROM`s, with a default.
    #[must_use]
    pub fn arg_default(mut self, name: impl Into<Word>, value: impl Into<Word>) -> Dockerfile {
        self.args.push(Arg::new(name).with_default(value));
        self
    }

    /// The frontend that reads it, such as `docker/dockerfile:1`.
    #[must_use]
    pub fn syntax(mut self, image: impl Into<String>) -> Dockerfile {
        self.syntax = Some(image.into());
        self
    }

    /// The escape character: a backslash or a backtick.
    #[must_use]
    pub fn escape(mut self, escape: char) -> Dockerfile {
        self.escape = Some(escape);
        self
    }

    /// The text, such that reading it gives the same value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) names the instruction that can't
    /// be written: an `ENV` with a line break in it, a shell command that would be read as JSON.
    pub fn render(&self) -> Result<String> {
        render::render(self)
    }

    /// The escape character in effect.
    pub(crate) fn escape_char(&self) -> char {
        self.escape.unwrap_or('\\')
    }

    /// The first instruction that needs heredocs, as far as there is one.
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

    /// What each `FROM` names, with its platform, for given build arguments; earlier stages and
    /// `scratch` left out.
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

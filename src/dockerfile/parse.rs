//! The parser: tolerant, with a diagnostic for each instruction that can't be read.

use super::diagnostic::{Diagnostic, Severity, Span};
use super::lines::{self, Line};
use super::read::{self, Source as Text};
use super::{Dockerfile, Instruction, check, stages};
use crate::error::{Error, Result};

/// The result of parsing a Dockerfile, with the problems that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed {
    /// The Dockerfile. An instruction that could not be read is [`Instruction::Unknown`].
    pub dockerfile: Dockerfile,
    /// The problems, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The places of the stages in the text, in order.
    pub stages: Vec<StageSpans>,
    /// The places of the arguments before the first stage.
    pub args: Vec<Span>,
}

/// The places of a stage's parts in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageSpans {
    /// Its `FROM`.
    pub from: Span,
    /// Its instructions, in order.
    pub instructions: Vec<Span>,
}

impl Parsed {
    /// Returns whether BuildKit would refuse to build the last stage, judging by the text alone.
    ///
    /// A problem in a step of a stage that the last one doesn't need is a warning: BuildKit never
    /// looks at that step. The classic builder builds all stages, and does.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// Returns whether BuildKit would refuse to build a given stage, named like a build's target.
    ///
    /// A target that does not exist is refused as well.
    #[must_use]
    pub fn has_errors_for(&self, target: &str) -> bool {
        let names = stages::Names::new(&self.dockerfile.stages);
        let Some(target) = names.target(target) else { return true };
        let needed = stages::needed(&self.dockerfile, target);
        self.diagnostics.iter().any(|found| match found.late {
            Some(stage) => needed.contains(&stage),
            None => found.severity == Severity::Error,
        })
    }

    /// Returns the Dockerfile if it has no errors.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with the first error, its line
    /// and the number of further ones.
    pub fn into_dockerfile(self) -> Result<Dockerfile> {
        let mut errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        let Some(first) = errors.next() else { return Ok(self.dockerfile) };
        Err(match errors.count() {
            0 => Error::invalid("Dockerfile", first.to_string()),
            more => Error::invalid("Dockerfile", format!("{first} (and {more} more)")),
        })
    }
}

pub(super) fn parse(text: &str) -> Parsed {
    let lines = lines::read(text);
    let mut parser = Parser {
        escape: lines.escape.unwrap_or('\\'),
        parsed: Parsed {
            dockerfile: Dockerfile {
                syntax: lines.syntax,
                escape: lines.escape,
                check: lines.check,
                ..Dockerfile::new()
            },
            diagnostics: lines.diagnostics,
            stages: Vec::new(),
            args: Vec::new(),
        },
    };
    for line in &lines.lines {
        parser.line(line);
    }
    parser.check();
    if parser.parsed.dockerfile.stages.is_empty() {
        let end = Span::new(text.len()..text.len(), 1..=text.lines().count().max(1));
        let message = "no stage: a Dockerfile has a FROM";
        parser.parsed.diagnostics.push(Diagnostic::error(end, message));
    }
    parser.parsed.diagnostics.sort_by_key(|found| found.span.bytes().start);
    parser.parsed
}

struct Parser {
    escape: char,
    parsed: Parsed,
}

impl Parser {
    fn line(&mut self, line: &Line) {
        let (keyword, rest) = lines::keyword(&line.text);
        let keyword = keyword.to_ascii_uppercase();
        if keyword == "FROM" {
            self.from(rest, &line.span);
            return;
        }
        let text = Text { keyword: &keyword, rest, heredocs: &line.heredocs, escape: self.escape };
        let mut problems = Vec::new();
        let instruction = match read::instruction(&text, &mut problems) {
            Ok(instruction) => instruction,
            Err(problem) => {
                let stage = self.parsed.dockerfile.stages.len().checked_sub(1);
                let late = stage.filter(|_| problem.late);
                let message = format!("{keyword}: {}", problem.message);
                let found = Diagnostic { late, ..Diagnostic::error(line.span.clone(), message) };
                self.parsed.diagnostics.push(found);
                Instruction::Unknown {
                    keyword: keyword.clone(),
                    text: rest.to_owned(),
                    heredocs: line.heredocs.clone(),
                }
            }
        };
        self.report(&keyword, problems, &line.span);
        self.place(instruction, &line.span);
    }

    fn report(&mut self, keyword: &str, problems: read::Problems, span: &Span) {
        for (severity, problem) in problems {
            let message = format!("{keyword}: {problem}");
            let found = Diagnostic { severity, ..Diagnostic::error(span.clone(), message) };
            self.parsed.diagnostics.push(found);
        }
    }

    fn place(&mut self, instruction: Instruction, span: &Span) {
        let stages = self.parsed.dockerfile.stages.last_mut().zip(self.parsed.stages.last_mut());
        match (stages, instruction) {
            (Some((stage, spans)), instruction) => {
                stage.instructions.push(instruction);
                spans.instructions.push(span.clone());
            }
            (None, Instruction::Arg(args)) => {
                self.parsed.args.extend(args.iter().map(|_| span.clone()));
                self.parsed.dockerfile.args.extend(args);
            }
            (None, instruction) => {
                let message =
                    format!("{}: only ARG may stand before the first FROM", instruction.keyword());
                self.parsed.diagnostics.push(Diagnostic::error(span.clone(), message));
            }
        }
    }

    fn from(&mut self, rest: &str, span: &Span) {
        let mut problems = Vec::new();
        let stage = read::from(rest, self.escape, &mut problems);
        self.report("FROM", problems, span);
        self.parsed.dockerfile.stages.push(stage);
        self.parsed.stages.push(StageSpans { from: span.clone(), instructions: Vec::new() });
    }

    /// Checks the file as a whole. Reports as warnings the problems in stages that BuildKit never
    /// builds.
    fn check(&mut self) {
        let Parsed { dockerfile, diagnostics, stages, .. } = &mut self.parsed;
        for problem in check::check(dockerfile) {
            let spans = &stages[problem.stage];
            let span =
                problem.instruction.map_or(&spans.from, |number| &spans.instructions[number]);
            diagnostics.push(Diagnostic {
                severity: problem.severity,
                late: problem.late.then_some(problem.stage),
                ..Diagnostic::error(span.clone(), problem.message)
            });
        }
        let last = dockerfile.stages.len().saturating_sub(1);
        let needed = stages::needed(dockerfile, last);
        let unseen =
            |found: &&mut Diagnostic| found.late.is_some_and(|late| !needed.contains(&late));
        for found in diagnostics.iter_mut().filter(unseen) {
            found.severity = Severity::Warning;
            found.message.push_str(" (in a stage that the last one doesn't need)");
        }
    }
}

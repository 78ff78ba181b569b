//! From text to values: tolerant, with a diagnostic for what can't be read.

use super::diagnostic::{Diagnostic, Severity, Span};
use super::lines::{self, Line};
use super::read::{self, Source as Text};
use super::{Dockerfile, Instruction};
use crate::error::{Error, Result};

/// A Dockerfile that was read, with what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed {
    /// What could be read. An instruction that could not is [`Instruction::Unknown`].
    pub dockerfile: Dockerfile,
    /// What is wrong with it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Where each stage is in the text, by its number.
    pub stages: Vec<StageSpans>,
    /// Where each argument before the first stage is.
    pub args: Vec<Span>,
}

/// Where the parts of a stage are in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageSpans {
    /// Its `FROM`.
    pub from: Span,
    /// Its instructions, by their number.
    pub instructions: Vec<Span>,
}

impl Parsed {
    /// Whether an engine would refuse it, as far as its text tells.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// The Dockerfile, if nothing in it is wrong.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with the first error, its line and
    /// how many more there are.
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
                problems.push((Severity::Error, problem));
                Instruction::Unknown { keyword: keyword.clone(), text: rest.to_owned() }
            }
        };
        self.report(&keyword, problems, &line.span);
        self.place(instruction, &line.span);
    }

    fn report(&mut self, keyword: &str, problems: read::Problems, span: &Span) {
        for (severity, problem) in problems {
            let message = format!("{keyword}: {problem}");
            self.parsed.diagnostics.push(Diagnostic { severity, span: span.clone(), message });
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
        if let Some(name) = &stage.name {
            let twice = self.parsed.dockerfile.stages.iter().any(|other| {
                other.name.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(name))
            });
            if twice {
                let message = format!("FROM: there is another stage named `{name}`");
                self.parsed.diagnostics.push(Diagnostic::warning(span.clone(), message));
            }
        }
        self.report("FROM", problems, span);
        self.parsed.dockerfile.stages.push(stage);
        self.parsed.stages.push(StageSpans { from: span.clone(), instructions: Vec::new() });
    }
}

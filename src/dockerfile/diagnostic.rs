//! [`Diagnostic`]: what is wrong with a Dockerfile, and where.

use std::fmt;
use std::ops::{Range, RangeInclusive};

/// A place in the text of a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    bytes: Range<usize>,
    lines: RangeInclusive<usize>,
}

impl Span {
    pub(super) fn new(bytes: Range<usize>, lines: RangeInclusive<usize>) -> Span {
        Span { bytes, lines }
    }

    /// The bytes, heredocs and the end of the last line included.
    #[must_use]
    pub fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// The lines, counted from 1.
    #[must_use]
    pub fn lines(&self) -> RangeInclusive<usize> {
        self.lines.clone()
    }
}

/// What is wrong with a Dockerfile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Whether an engine would build it nevertheless.
    pub severity: Severity,
    /// The instruction in question.
    pub span: Span,
    /// What is wrong: a fragment in lower case.
    pub message: String,
    /// The stage that has to be needed for BuildKit to see it.
    pub(super) late: Option<usize>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Engines build it.
    Warning,
    /// Engines refuse it.
    Error,
}

impl Diagnostic {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, span, message: message.into(), late: None }
    }

    pub(super) fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, span, message: message.into(), late: None }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.span.lines().start(), self.message)
    }
}

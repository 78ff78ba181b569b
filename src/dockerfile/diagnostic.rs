//! [`Diagnostic`]: a problem of a Dockerfile, with its place.

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

    /// Returns the range of bytes, including heredocs and the end of the last line.
    #[must_use]
    pub fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// Returns the range of lines, counted from 1.
    #[must_use]
    pub fn lines(&self) -> RangeInclusive<usize> {
        self.lines.clone()
    }
}

/// A problem of a Dockerfile, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Whether it keeps an engine from building the file.
    pub severity: Severity,
    /// The place of the instruction.
    pub span: Span,
    /// The problem: a fragment in lower case.
    pub message: String,
    /// The stage that must be needed for BuildKit to find the problem.
    pub(super) late: Option<usize>,
}

/// The severity of a [`Diagnostic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Engines build the file nevertheless.
    Warning,
    /// Engines refuse the file.
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

//! The one way of writing to stderr.

use std::fmt;
use std::io::Write;

/// Writes a line. Where that fails, as with a pipe that nobody reads any more, nothing is said:
/// `eprintln!` panics there, which aborts the process when a handle is dropped by a panic.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    // In one piece, so that lines of several threads do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

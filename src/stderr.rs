//! The one way of writing to stderr.

use std::fmt;
use std::io::Write;

/// Writes a line and ignores failures, such as a closed pipe: `eprintln!` would panic, which aborts
/// the process if a handle is being dropped by a panic.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    // One write, so that the lines of several threads do not mix.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

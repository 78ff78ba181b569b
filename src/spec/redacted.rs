//! `Debug` output for values that may be secret.

use std::collections::BTreeMap;
use std::fmt;

/// A map that shows only its keys.
pub(crate) struct Keys<'a>(pub(crate) &'a BTreeMap<String, String>);

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|key| (key, Presence(true)))).finish()
    }
}

/// A command that shows only its program, and the number of its arguments.
pub(crate) struct Program<'a>(pub(crate) &'a [String]);

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_first() {
            None => f.write_str("[]"),
            Some((program, [])) => write!(f, "[{program:?}]"),
            Some((program, arguments)) => {
                write!(f, "[{program:?}, and {} arguments]", arguments.len())
            }
        }
    }
}

/// A placeholder that shows only whether a value is set.
pub(crate) struct Presence(pub(crate) bool);

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "***" } else { "None" })
    }
}

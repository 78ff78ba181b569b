//! Names that nothing else has.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Twelve hexadecimal digits, another each time, in whatever process.
pub(crate) fn token() -> String {
    // A new state has random keys of the system's, and counts on from the last.
    let number = RandomState::new().build_hasher().finish();
    format!("{:012x}", number & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let tokens: std::collections::BTreeSet<String> = (0..1000).map(|_| token()).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| token.len() == 12));
    }
}

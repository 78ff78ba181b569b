//! Names that nothing else has.

/// Twelve hexadecimal digits, another each time, in whatever process.
pub(crate) fn token() -> String {
    let mut bytes = [0; 6];
    // Asked of the system each time: a generator's state would be copied by a fork. (Where there is
    // no randomness, the standard library can't make a `HashMap` either.)
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    hex::encode(bytes)
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

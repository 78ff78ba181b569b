//! Unique names.

/// Returns twelve hexadecimal digits, different for each call in any process.
pub(crate) fn token() -> String {
    let mut bytes = [0; 6];
    // Taken from the system each time: a fork would copy a generator's state. Without randomness,
    // the standard library could not make a `HashMap` either.
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

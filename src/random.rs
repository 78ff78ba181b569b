//! Random bytes of the system, for unique names.

/// Returns random bytes. They come from the system each time: a fork would copy a generator's
/// state, and the child would generate the same names as its parent.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // If the system has none, the standard library can't create a `HashMap` either.
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// The length of a token.
pub(crate) const TOKEN: usize = 10;

/// Returns a name that nothing else has: [`TOKEN`] hexadecimal digits.
pub(crate) fn token() -> String {
    hex::encode(bytes::<{ TOKEN / 2 }>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let all: std::collections::BTreeSet<[u8; 5]> = (0..1000).map(|_| bytes()).collect();
        assert_eq!(all.len(), 1000);
        assert!(token().len() == TOKEN && token() != token());
    }
}

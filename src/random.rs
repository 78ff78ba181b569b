//! Randomness of the system's, for names that nothing else has.

/// Returns random bytes. They are asked of the system each time: a generator's state would be copied
/// by a fork, and the child would make the names that its parent makes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // (Where there is none, the standard library can't make a `HashMap` either.)
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let all: std::collections::BTreeSet<[u8; 5]> = (0..1000).map(|_| bytes()).collect();
        assert_eq!(all.len(), 1000);
    }
}

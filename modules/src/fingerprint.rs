//! [`Fingerprint`]: names for resources that processes of several builds share.

use sha2::{Digest as _, Sha256};

/// A hash of several parts that is the same on every machine and with every compiler, unlike those
/// of the standard library's hashers.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Begins a hash. Each purpose has hashes of its own.
    pub(crate) fn new(purpose: &str) -> Fingerprint {
        Fingerprint(Sha256::new()).part(purpose)
    }

    /// Adds a part. Its length counts too, so that `ab`, `c` differs from `a`, `bc`.
    pub(crate) fn part(mut self, part: impl AsRef<[u8]>) -> Fingerprint {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Adds parts, two for each pair.
    pub(crate) fn pairs<A: AsRef<[u8]>, B: AsRef<[u8]>>(
        self,
        pairs: impl IntoIterator<Item = (A, B)>,
    ) -> Fingerprint {
        pairs.into_iter().fold(self, |print, (first, second)| print.part(first).part(second))
    }

    /// Returns the first 16 hexadecimal digits.
    pub(crate) fn digits(self) -> String {
        hex::encode(&self.0.finalize()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: with other digits, processes of two builds would not find each other's resources.
    #[test]
    fn digits_never_change() {
        let print = Fingerprint::new("template").part("schema-v7").pairs([("a", "b")]);
        assert_eq!(print.digits(), "2f3137d552c9a5b9");
    }

    #[test]
    fn each_part_counts_and_where_it_ends() {
        let prints = [
            Fingerprint::new("a"),
            Fingerprint::new("b"),
            Fingerprint::new("a").part(""),
            Fingerprint::new("a").part("bc"),
            Fingerprint::new("a").part("b").part("c"),
        ];
        let digits: std::collections::BTreeSet<_> = prints.map(Fingerprint::digits).into();
        assert_eq!(digits.len(), 5);
    }
}

//! A set of fingerprints in memory that is all zero when it is empty.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

/// Fingerprints in `N` places, a power of two. Places that were never used cost no memory.
#[repr(C)]
pub(super) struct Prints<const N: usize> {
    len: usize,
    /// 0 if the place is free.
    places: [u64; N],
}

impl<const N: usize> Prints<N> {
    /// Limit for fingerprints: a fuller table would be slow.
    pub(super) const MOST: usize = N.saturating_sub(N.div_euclid(4));

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn holds(&self, print: u64) -> bool {
        let print = print.max(1);
        self.probe(print).find_map(|index| self.settles(index, print)) == Some(true)
    }

    /// Adds a fingerprint if it is missing; `false` if there is no room for it.
    pub(super) fn insert(&mut self, print: u64) -> bool {
        let print = print.max(1);
        let place = self.probe(print).find(|index| self.settles(*index, print).is_some());
        let full = self.len >= Self::MOST;
        let Some(place) = place.and_then(|index| self.places.get_mut(index)) else { return false };
        if *place == print {
            return true;
        }
        if full {
            return false;
        }
        *place = print;
        self.len = self.len.saturating_add(1);
        true
    }

    /// Returns the indices to search, in that order.
    fn probe(&self, print: u64) -> impl Iterator<Item = usize> + use<N> {
        let mask = N.saturating_sub(1);
        let start = usize::try_from(print & u64::try_from(mask).unwrap_or(0)).unwrap_or(0);
        (0..N).map(move |step| start.wrapping_add(step) & mask)
    }

    /// Returns whether a place shows that `print` is in the set, or that it isn't; `None` if it has
    /// another one.
    fn settles(&self, index: usize, print: u64) -> Option<bool> {
        let there = *self.places.get(index)?;
        if there == print { Some(true) } else { (there == 0).then_some(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_until_there_is_no_room() {
        let mut prints = Prints::<8> { len: 0, places: [0; 8] };
        assert!(!prints.holds(0) && !prints.holds(7));
        // All of them hash to the same place.
        for n in 0..6 {
            assert!(prints.insert(7 + 8 * n) && prints.insert(7 + 8 * n));
        }
        assert_eq!((prints.len(), Prints::<8>::MOST), (6, 6));
        assert!(!prints.insert(1) && !prints.holds(1) && prints.insert(7));
        assert!((0..6).all(|n| prints.holds(7 + 8 * n)) && !prints.holds(7 + 48));
        let mut prints = Prints::<8> { len: 0, places: [0; 8] };
        assert!(prints.insert(0) && prints.holds(0) && !prints.holds(7));
    }
}

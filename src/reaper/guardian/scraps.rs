//! Images that steps of classic builds made, as the guardian remembers them.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::work::{SHARED_MAX, Text};

/// Images of steps that can be remembered.
const SCRAPS: usize = 4096;

/// Images that steps of builds made. What is beyond stays: it has no name, and is no leak but scrap.
#[repr(C)]
pub(super) struct ScrapTable([Scrap; SCRAPS]);

#[repr(C)]
struct Scrap {
    /// Of the build; 0 where there is none.
    number: u32,
    /// The first digits of its id, a colon, and the first of its parent's id, if those are known.
    text: Text<SHARED_MAX>,
}

impl Scrap {
    /// Whether it is the image that an engine lists with this parent.
    fn is(&self, id: &[u8], parent: &[u8]) -> bool {
        let mut parts = self.text.get().splitn(2, |byte| *byte == b':');
        let (own, below) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
        self.number != 0 && !own.is_empty() && id.starts_with(own) && parent.starts_with(below)
    }
}

impl ScrapTable {
    pub(super) fn add(&mut self, number: u32, text: &[u8]) {
        let Some(place) = self.0.iter_mut().find(|scrap| scrap.number == 0) else { return };
        if place.text.set(text) {
            place.number = number;
        }
    }

    pub(super) fn end(&mut self, number: u32) {
        self.0.iter_mut().filter(|scrap| scrap.number == number).for_each(|scrap| scrap.number = 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|scrap| scrap.number == 0)
    }

    /// Whether an image that the engine lists is one of them. The engine says the first characters of
    /// an id while it builds; the parent tells a step's image from another that is said to be it.
    pub(super) fn holds(&self, id: &[u8], parent: &[u8]) -> bool {
        let digits = |id: &'_ [u8]| id.strip_prefix(b"sha256:").map_or(0, |_| 7);
        let id = id.get(digits(id)..).unwrap_or(&[]);
        let parent = parent.get(digits(parent)..).unwrap_or(&[]);
        self.0.iter().any(|scrap| scrap.is(id, parent))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sys::Arena;
    use super::super::word::Word;
    use super::super::work::Work;
    use super::SCRAPS;

    fn say(work: &mut Work, word: Word<'_>) {
        work.take(&word.encode(), &mut None);
    }

    #[test]
    fn scraps_are_found_by_the_beginning_of_their_id_until_their_build_ends() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        let first = (b"sha256:0123456789abcdef".as_slice(), b"sha256:aaaabbbb".as_slice());
        assert!(work.scraps.is_empty() && !work.scraps.holds(first.0, first.1));
        say(work, Word::Scrap(1, "0123456789ab:aaaa"));
        say(work, Word::Scrap(2, "ffff:"));
        say(work, Word::Scrap(2, ""));
        say(work, Word::Scrap(2, ":"));
        assert!(work.scraps.holds(first.0, first.1));
        assert!(!work.scraps.holds(first.0, b"sha256:bbbb") && !work.scraps.holds(first.0, b""));
        assert!(work.scraps.holds(b"ffff00", b"") && work.scraps.holds(b"ffff00", b"aa"));
        assert!(!work.scraps.holds(b"sha256:012345", first.1) && !work.scraps.holds(b"", b""));
        say(work, Word::Built(1));
        assert!(!work.scraps.holds(first.0, first.1) && !work.scraps.is_empty());
        for n in 0..2 * SCRAPS {
            say(work, Word::Scrap(3, &format!("{n:012}")));
        }
        say(work, Word::Built(2));
        say(work, Word::Built(3));
        assert!(work.scraps.is_empty());
    }
}

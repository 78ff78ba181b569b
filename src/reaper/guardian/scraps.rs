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
    id: Text<SHARED_MAX>,
}

impl ScrapTable {
    pub(super) fn add(&mut self, number: u32, id: &[u8]) {
        let Some(place) = self.0.iter_mut().find(|scrap| scrap.number == 0) else { return };
        if !id.is_empty() && place.id.set(id) {
            place.number = number;
        }
    }

    pub(super) fn end(&mut self, number: u32) {
        self.0.iter_mut().filter(|scrap| scrap.number == number).for_each(|scrap| scrap.number = 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|scrap| scrap.number == 0)
    }

    /// Whether an id that the engine lists is one of them. The engine says the first characters of
    /// an id while it builds.
    pub(super) fn holds(&self, listed: &[u8]) -> bool {
        let listed = listed.strip_prefix(b"sha256:").unwrap_or(listed);
        self.0.iter().any(|scrap| scrap.number != 0 && listed.starts_with(scrap.id.get()))
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
        assert!(work.scraps.is_empty() && !work.scraps.holds(b"sha256:0123456789abcdef"));
        say(work, Word::Scrap(1, "0123456789ab"));
        say(work, Word::Scrap(2, "ffff"));
        say(work, Word::Scrap(2, ""));
        assert!(work.scraps.holds(b"sha256:0123456789abcdef") && work.scraps.holds(b"ffff00"));
        assert!(!work.scraps.holds(b"sha256:012345") && !work.scraps.holds(b""));
        say(work, Word::Built(1));
        assert!(!work.scraps.holds(b"sha256:0123456789abcdef") && !work.scraps.is_empty());
        for n in 0..2 * SCRAPS {
            say(work, Word::Scrap(3, &format!("{n:012}")));
        }
        say(work, Word::Built(2));
        say(work, Word::Built(3));
        assert!(work.scraps.is_empty());
    }
}

//! Intermediate images of classic builds, as the guardian remembers them.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::work::{SHARED_MAX, Text};

/// Limit for intermediate images.
const IMAGES: usize = 4096;

/// The intermediate images of builds. Those beyond the limit are left to `docker image prune`.
#[repr(C)]
pub(super) struct ImageTable([IntermediateImage; IMAGES]);

#[repr(C)]
struct IntermediateImage {
    /// The number of the build; 0 if the place is free.
    number: u32,
    /// The first digits of its id, a colon, and the first of its parent's id, if those are known.
    text: Text<SHARED_MAX>,
}

impl IntermediateImage {
    /// Returns whether it is the image that an engine lists with this parent.
    fn is(&self, id: &[u8], parent: &[u8]) -> bool {
        let mut parts = self.text.get().splitn(2, |byte| *byte == b':');
        let (own, below) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
        self.number != 0 && !own.is_empty() && id.starts_with(own) && parent.starts_with(below)
    }
}

impl ImageTable {
    pub(super) fn add(&mut self, number: u32, text: &[u8]) {
        let Some(place) = self.0.iter_mut().find(|image| image.number == 0) else { return };
        if place.text.set(text) {
            place.number = number;
        }
    }

    pub(super) fn end(&mut self, number: u32) {
        self.0.iter_mut().filter(|image| image.number == number).for_each(|image| image.number = 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|image| image.number == 0)
    }

    /// Returns whether a listed image is one of these. During a build the engine reports only the
    /// first characters of an id; the parent's id rules out an image that was only reported as a
    /// step's.
    pub(super) fn holds(&self, id: &[u8], parent: &[u8]) -> bool {
        let digits = |id: &'_ [u8]| id.strip_prefix(b"sha256:").map_or(0, |_| 7);
        let id = id.get(digits(id)..).unwrap_or(&[]);
        let parent = parent.get(digits(parent)..).unwrap_or(&[]);
        self.0.iter().any(|image| image.is(id, parent))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::super::sys::Arena;
    use super::super::work::Work;
    use super::IMAGES;

    fn say(work: &mut Work, message: Message<'_>) {
        work.take(&message.encode(), &mut None);
    }

    #[test]
    fn intermediate_images_are_found_by_the_beginning_of_their_id_until_their_build_ends() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        let first = (b"sha256:0123456789abcdef".as_slice(), b"sha256:aaaabbbb".as_slice());
        assert!(work.images.is_empty() && !work.images.holds(first.0, first.1));
        say(work, Message::Image(1, "0123456789ab:aaaa"));
        say(work, Message::Image(2, "ffff:"));
        say(work, Message::Image(2, ""));
        say(work, Message::Image(2, ":"));
        assert!(work.images.holds(first.0, first.1));
        assert!(!work.images.holds(first.0, b"sha256:bbbb") && !work.images.holds(first.0, b""));
        assert!(work.images.holds(b"ffff00", b"") && work.images.holds(b"ffff00", b"aa"));
        assert!(!work.images.holds(b"sha256:012345", first.1) && !work.images.holds(b"", b""));
        say(work, Message::Built(1));
        assert!(!work.images.holds(first.0, first.1) && !work.images.is_empty());
        for n in 0..2 * IMAGES {
            say(work, Message::Image(3, &format!("{n:012}")));
        }
        say(work, Message::Built(2));
        say(work, Message::Built(3));
        assert!(work.images.is_empty());
    }
}

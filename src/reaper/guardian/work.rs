//! The memory the child works in: mapped before the fork, plain data, valid when all zero.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::http::{Kind, fingerprint};
use super::json::ID_MAX;

/// Longest list request. Every byte of a label may take three.
const REQUEST_MAX: usize = 4096;
/// Ids removed per round; what is beyond is listed again in the next.
const IDS: usize = 256;
/// Ids that can be kept.
const KEPT: usize = 4096;
/// A message on the parent's stream: a code, 7 zero bytes, and for a kind's code the fingerprint
/// of what is to be kept.
pub(super) const RECORD: usize = 16;
/// Codes beside those of kinds: the parent owns nothing, or something again.
const IDLE: u8 = 0x10;
const BUSY: u8 = 0x11;

/// Bytes of a bounded length.
#[repr(C)]
pub(super) struct Text<const N: usize> {
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Whether `text` fitted and is now stored.
    pub(super) fn set(&mut self, text: &[u8]) -> bool {
        let Some(place) = self.bytes.get_mut(..text.len()) else { return false };
        place.copy_from_slice(text);
        self.len = text.len();
        true
    }
}

/// Everything the child reads and writes except its stack. All zero is a valid, empty value.
#[repr(C)]
pub(super) struct Work {
    /// The list request of each kind.
    pub(super) requests: [Text<REQUEST_MAX>; 3],
    pub(super) ids: IdTable,
    pub(super) kept: KeepTable,
    /// The parent has said that it owns nothing.
    pub(super) idle: bool,
    /// Whatever is being read.
    pub(super) input: [u8; 16 * 1024],
}

impl Work {
    /// Takes a message from the parent.
    pub(super) fn take(&mut self, message: &[u8]) {
        match message.first() {
            Some(&IDLE) => self.idle = true,
            Some(&BUSY) => self.idle = false,
            _ => self.kept.take(message),
        }
    }

    /// Keeps the request that lists `kind`; `false` if it is too long.
    pub(super) fn set_request(&mut self, kind: Kind, request: &[u8]) -> bool {
        self.requests.get_mut(kind as usize).is_some_and(|place| place.set(request))
    }
}

/// What a list call found and this round removes.
#[repr(C)]
pub(super) struct IdTable {
    len: usize,
    ids: [Text<ID_MAX>; IDS],
}

impl IdTable {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether `id` was added; if not, the table is full.
    pub(super) fn push(&mut self, id: &[u8]) -> bool {
        let added = self.ids.get_mut(self.len).is_some_and(|place| place.set(id));
        self.len = self.len.saturating_add(usize::from(added));
        added
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.ids.get(..self.len)?.get(index).map(Text::get)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Fingerprints of what must stay.
#[repr(C)]
pub(super) struct KeepTable {
    len: usize,
    prints: [u64; KEPT],
    /// Kinds with more kept ids than the table holds. Nothing of them is removed any more: what
    /// stays behind too long is a nuisance, what goes though it was to be kept is a loss.
    sealed: [bool; 3],
}

impl KeepTable {
    pub(super) fn holds(&self, kind: Kind, id: &[u8]) -> bool {
        let print = fingerprint(kind, id);
        self.is_sealed(kind) || self.prints.iter().take(self.len).any(|known| *known == print)
    }

    pub(super) fn is_sealed(&self, kind: Kind) -> bool {
        self.sealed.get(kind as usize).is_some_and(|sealed| *sealed)
    }

    fn insert(&mut self, kind: Kind, print: u64) {
        if self.prints.iter().take(self.len).any(|known| *known == print) {
            return;
        }
        if let Some(place) = self.prints.get_mut(self.len) {
            *place = print;
            self.len = self.len.saturating_add(1);
        } else if let Some(sealed) = self.sealed.get_mut(kind as usize) {
            *sealed = true;
        }
    }

    /// Takes a message written with [`record`].
    fn take(&mut self, message: &[u8]) {
        let kind = message.first().and_then(|code| Kind::from_code(*code));
        let print = message.get(8..RECORD).and_then(|bytes| bytes.try_into().ok());
        if let (Some(kind), Some(print)) = (kind, print) {
            self.insert(kind, u64::from_ne_bytes(print));
        }
    }
}

/// The message that makes the child keep `id`.
pub(super) fn record(kind: Kind, id: &str) -> [u8; RECORD] {
    let print = fingerprint(kind, id.as_bytes()).to_ne_bytes();
    let mut message = [0; RECORD];
    message[0] = kind as u8;
    for (place, byte) in message.iter_mut().skip(8).zip(print) {
        *place = byte;
    }
    message
}

/// The message that tells whether the parent owns anything.
pub(super) fn idle_record(idle: bool) -> [u8; RECORD] {
    let mut message = [0; RECORD];
    message[0] = if idle { IDLE } else { BUSY };
    message
}

#[cfg(test)]
mod tests {
    use super::super::sys::Arena;
    use super::*;

    #[test]
    fn a_kept_id_is_held_and_no_other() {
        let mut arena = Arena::map().unwrap();
        let kept = &mut arena.work().kept;
        kept.take(&record(Kind::Network, "abc"));
        assert!(kept.holds(Kind::Network, b"abc"));
        assert!(!kept.holds(Kind::Volume, b"abc") && !kept.holds(Kind::Network, b"abd"));
        kept.take(&[9; RECORD]);
        kept.take(&[]);
        assert_eq!(kept.len, 1);
    }

    #[test]
    fn the_last_word_on_being_idle_counts() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        assert!(!work.idle);
        for idle in [true, false, true] {
            work.take(&idle_record(idle));
            work.take(&record(Kind::Network, "abc"));
            assert_eq!(work.idle, idle);
        }
        assert!(work.kept.holds(Kind::Network, b"abc"));
    }

    #[test]
    fn a_full_table_seals_the_kind_that_overflowed() {
        let mut arena = Arena::map().unwrap();
        let kept = &mut arena.work().kept;
        for n in 0..=KEPT {
            assert!(!kept.is_sealed(Kind::Volume));
            kept.take(&record(Kind::Volume, &format!("v{n}")));
            kept.take(&record(Kind::Volume, "v0"));
        }
        assert!(kept.holds(Kind::Volume, b"never kept"));
        assert!(!kept.holds(Kind::Container, b"never kept"));
    }

    #[test]
    fn the_id_table_refuses_what_does_not_fit() {
        let mut arena = Arena::map().unwrap();
        let ids = &mut arena.work().ids;
        assert!(!ids.push(&[b'x'; ID_MAX + 1]) && ids.is_empty());
        for n in 0..IDS {
            assert!(ids.push(format!("{n}").as_bytes()));
        }
        assert!(!ids.push(b"one more"));
        assert_eq!((ids.get(7), ids.get(IDS)), (Some(b"7".as_slice()), None));
        ids.clear();
        assert_eq!(ids.get(0), None);
    }
}

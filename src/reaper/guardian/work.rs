//! The memory the child works in: mapped before the fork, plain data, valid when all zero.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::{OwnedFd, RawFd};

use super::http::{KINDS, Kind, fingerprint};
use super::json::ID_MAX;
use super::scraps::ScrapTable;
use super::sys;

/// Longest list request. Every byte of a label may take three.
const REQUEST_MAX: usize = 4096;
/// Ids removed per round; what is beyond is listed again in the next.
const IDS: usize = 256;
/// Ids that can be kept.
const KEPT: usize = 4096;
/// Leases that can be held. What is beyond is left to the sweep.
const LEASES: usize = 256;
/// The longest value of the label of what is shared.
pub(super) const SHARED_MAX: usize = 64;
/// A message on the parent's stream: a code, a kind, a length, a byte of nothing, a number of 4
/// bytes, a value of 8, and text.
pub(super) const RECORD: usize = 16 + SHARED_MAX;

/// Codes of messages.
mod code {
    /// What has this fingerprint is to stay.
    pub(super) const KEEP: u8 = 1;
    /// The parent owns nothing, or something again.
    pub(super) const IDLE: u8 = 2;
    pub(super) const BUSY: u8 = 3;
    /// Everything is to stay, unless the parent says that all is well after all.
    pub(super) const HOLD: u8 = 4;
    pub(super) const WELL: u8 = 5;
    /// The descriptor that comes with it is a lease's, or that lease has ended.
    pub(super) const LEASE: u8 = 6;
    pub(super) const LEFT: u8 = 7;
    /// An image that a step of a build made, or that build has ended.
    pub(super) const SCRAP: u8 = 8;
    pub(super) const BUILT: u8 = 9;
    /// What is shared does not stay any longer than it is used.
    pub(super) const HURRY: u8 = 20;
}

/// What a parent says to its guardian.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'a> {
    /// Leave a resource alone. The id is the one that the engine lists: the full id of a
    /// container or network, the name of a volume.
    Keep(Kind, &'a str),
    /// Whether there is anything to remove, so that the engine need not be asked when this
    /// process ends. Without a word there is.
    Idle(bool),
    /// Whether all is to be left, also if the process ends without another word.
    Hold(bool),
    /// A lease, whose file goes along: under which value of the label what is shared is found,
    /// and for how many milliseconds it stays when this process is gone.
    Lease { number: u32, kind: Kind, value: &'a str, linger: u64 },
    /// That lease is held no more.
    Left(u32),
    /// An image without a name that a step of a build made: removed unless the build ends.
    Scrap(u32, &'a str),
    /// What is shared is not to stay for its time: the guardian may end before that.
    Hurry,
    /// That build has ended, and this process has seen to what it made.
    Built(u32),
}

impl Word<'_> {
    /// The message. Text that is too long is cut, which fits no label.
    pub(super) fn encode(self) -> [u8; RECORD] {
        let (code, kind, number, value, text) = match self {
            Word::Keep(kind, id) => (code::KEEP, kind, 0, fingerprint(kind, id.as_bytes()), ""),
            Word::Idle(true) => (code::IDLE, Kind::Container, 0, 0, ""),
            Word::Idle(false) => (code::BUSY, Kind::Container, 0, 0, ""),
            Word::Hold(true) => (code::HOLD, Kind::Container, 0, 0, ""),
            Word::Hold(false) => (code::WELL, Kind::Container, 0, 0, ""),
            Word::Lease { number, kind, value, linger } => {
                (code::LEASE, kind, number, linger, value)
            }
            Word::Left(number) => (code::LEFT, Kind::Container, number, 0, ""),
            Word::Scrap(number, id) => (code::SCRAP, Kind::Image, number, 0, id),
            Word::Hurry => (code::HURRY, Kind::Container, 0, 0, ""),
            Word::Built(number) => (code::BUILT, Kind::Image, number, 0, ""),
        };
        let length = u8::try_from(text.len().min(SHARED_MAX)).unwrap_or(0);
        let head = [code, kind as u8, length, 0];
        let numbers = number.to_ne_bytes().into_iter().chain(value.to_ne_bytes());
        let mut message = [0; RECORD];
        let bytes = head.into_iter().chain(numbers).chain(text.bytes());
        for (place, byte) in message.iter_mut().zip(bytes) {
            *place = byte;
        }
        message
    }
}

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
    pub(super) requests: [Text<REQUEST_MAX>; KINDS],
    pub(super) ids: IdTable,
    pub(super) kept: KeepTable,
    pub(super) leases: LeaseTable,
    pub(super) scraps: ScrapTable,
    /// The request that lists images which have no name, and which nothing builds on.
    pub(super) nameless: Text<REQUEST_MAX>,
    /// The parent has said that it owns nothing.
    pub(super) idle: bool,
    /// The parent has said that everything is to stay.
    pub(super) hold: bool,
    /// The parent has said that there is not much time.
    pub(super) hurry: bool,
    /// Whatever is being read.
    pub(super) input: [u8; 16 * 1024],
}

impl Work {
    /// Takes a message from the parent, and what came with it.
    pub(super) fn take(&mut self, message: &[u8; RECORD], file: &mut Option<OwnedFd>) {
        let [code, kind, length, _, ref rest @ ..] = *message;
        let number = rest.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let value = rest.get(4..12).and_then(|bytes| bytes.try_into().ok());
        let value = value.map_or(0, u64::from_ne_bytes);
        let text = rest.get(12..usize::from(length).saturating_add(12)).unwrap_or(&[]);
        match (code, Kind::from_code(kind)) {
            (code::IDLE, _) => self.idle = true,
            (code::BUSY, _) => self.idle = false,
            (code::HOLD, _) => self.hold = true,
            (code::WELL, _) => self.hold = false,
            (code::KEEP, Some(kind)) => self.kept.insert(kind, value),
            (code::LEASE, Some(kind)) => {
                if let Some(file) = file.take() {
                    self.leases.add(number, kind, text, value, file);
                }
            }
            (code::LEFT, _) => self.leases.end(number),
            (code::SCRAP, _) => self.scraps.add(number, text),
            (code::HURRY, _) => {
                self.hurry = true;
                self.leases.held().for_each(|lease| lease.linger = 0);
            }
            (code::BUILT, _) => self.scraps.end(number),
            _ => {}
        }
    }

    /// Keeps the request that lists `kind`; `false` if it is too long.
    pub(super) fn set_request(&mut self, kind: Kind, request: &[u8]) -> bool {
        self.requests.get_mut(kind as usize).is_some_and(|place| place.set(request))
    }
}

/// A lease that the parent holds, through another descriptor of the same open file.
#[repr(C)]
pub(super) struct Lease {
    /// 0 where there is no lease, and [`LATE`] where its file is closed.
    file: RawFd,
    number: u32,
    kind: u8,
    /// Milliseconds for which it stays when the parent is gone.
    pub(super) linger: u64,
    pub(super) value: Text<SHARED_MAX>,
}

/// What was being made for it when the parent ended may come to be yet.
const LATE: RawFd = -1;

impl Lease {
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind).filter(|_| self.file != 0)
    }

    /// Whether only a look now and then is left to do.
    pub(super) fn is_late(&self) -> bool {
        self.file == LATE
    }

    /// Lets go of it, but remembers what to look for.
    pub(super) fn end_for_now(&mut self) {
        self.end();
        self.file = LATE;
    }

    pub(super) fn file(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        (self.file > 0).then(|| sys::numbered(self.file))
    }

    /// Lets go of it, and with that of its lock.
    pub(super) fn end(&mut self) {
        if self.file > 0 {
            sys::close(self.file);
        }
        self.file = 0;
    }
}

#[repr(C)]
pub(super) struct LeaseTable([Lease; LEASES]);

impl LeaseTable {
    fn add(&mut self, number: u32, kind: Kind, value: &[u8], linger: u64, file: OwnedFd) {
        // Where there is no room, the file closes here.
        let Some(place) = self.0.iter_mut().find(|lease| lease.file == 0) else { return };
        if place.value.set(value) {
            (place.number, place.kind, place.linger) = (number, kind as u8, linger);
            place.file = sys::into_number(file);
        }
    }

    fn end(&mut self, number: u32) {
        self.held().filter(|lease| lease.number == number).for_each(Lease::end);
    }

    pub(super) fn held(&mut self) -> impl Iterator<Item = &mut Lease> {
        self.0.iter_mut().filter(|lease| lease.file != 0)
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
    sealed: [bool; KINDS],
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
}

#[cfg(test)]
mod tests {
    use super::super::sys::Arena;
    use super::*;

    fn say(work: &mut Work, word: Word<'_>) {
        work.take(&word.encode(), &mut None);
    }

    #[test]
    fn a_kept_id_is_held_and_no_other() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        say(work, Word::Keep(Kind::Network, "abc"));
        work.take(&[9; RECORD], &mut None);
        work.take(&[0; RECORD], &mut None);
        let kept = &work.kept;
        assert!(kept.holds(Kind::Network, b"abc"));
        assert!(!kept.holds(Kind::Volume, b"abc") && !kept.holds(Kind::Network, b"abd"));
        assert_eq!(kept.len, 1);
    }

    #[test]
    fn the_last_word_on_being_idle_counts() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        assert!(!work.idle && !work.hold);
        for now in [true, false, true] {
            say(work, Word::Idle(now));
            say(work, Word::Hold(!now));
            say(work, Word::Keep(Kind::Network, "abc"));
            assert_eq!((work.idle, work.hold), (now, !now));
        }
        assert!(work.kept.holds(Kind::Network, b"abc"));
    }

    #[test]
    fn a_lease_comes_with_its_file_and_goes_by_its_number() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        let lease = |number| Word::Lease { number, kind: Kind::Volume, value: "0a-1b", linger: 7 };
        say(work, lease(1));
        assert_eq!(work.leases.held().count(), 0, "nothing without a file");
        for number in [1, 2] {
            let mut file = Some(OwnedFd::from(tempfile::tempfile().unwrap()));
            work.take(&lease(number).encode(), &mut file);
            assert!(file.is_none());
        }
        say(work, Word::Left(1));
        assert_eq!(work.leases.held().count(), 1);
        let held = work.leases.held().next().unwrap();
        assert_eq!((held.number, held.linger), (2, 7));
        assert_eq!((held.kind(), held.value.get()), (Some(Kind::Volume), b"0a-1b".as_slice()));
        say(work, Word::Hurry);
        assert_eq!(work.leases.held().next().unwrap().linger, 0);
        say(work, Word::Left(2));
        assert_eq!(work.leases.held().count(), 0);
    }

    #[test]
    fn a_full_table_seals_the_kind_that_overflowed() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        for n in 0..=KEPT {
            assert!(!work.kept.is_sealed(Kind::Volume));
            say(work, Word::Keep(Kind::Volume, &format!("v{n}")));
            say(work, Word::Keep(Kind::Volume, "v0"));
        }
        assert!(work.kept.holds(Kind::Volume, b"never kept"));
        assert!(!work.kept.holds(Kind::Container, b"never kept"));
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

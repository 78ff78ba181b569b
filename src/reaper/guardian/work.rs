//! The memory the child works in: mapped before the fork, plain data, valid when all zero.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::{OwnedFd, RawFd};

use super::super::kind::Kind;
use super::http::fingerprint;
use super::intermediate_images::ImageTable;
use super::json::{ID_MAX, Traits};
use super::message::{Op, RECORD};
use super::prints::Prints;
use super::sys;

/// Limit for a list request, in bytes. Each byte of a label may take three.
const REQUEST_MAX: usize = 4096;
/// Limit for the ids of one round; the next round lists the rest.
pub(super) const IDS: usize = 256;
/// Places for the ids of kept resources, all kinds together; three quarters of them are used.
const KEPT: usize = 1 << 18;
/// Places for the ids of found resources; three quarters of them are used.
const FOUND: usize = 1 << 14;
/// Limit for kept ids.
pub(crate) const MOST_KEPT: usize = Prints::<KEPT>::MOST;
/// Limit for leases. Those beyond it are left to the sweep.
const LEASES: usize = 4096;
/// Descriptors reserved for connections to the engine, stdio, the stream and the session's lock.
const RESERVE: usize = 24;
/// Limit for the label value of a shared resource, in bytes.
pub(super) const SHARED_MAX: usize = 64;
/// Returns how many leases a guardian can hold: it may open as many files as the hard limit allows.
pub(crate) fn most_leases() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.saturating_sub(RESERVE).min(LEASES)
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

    /// Stores `text`; returns whether it fitted.
    pub(super) fn set(&mut self, text: &[u8]) -> bool {
        let Some(place) = self.bytes.get_mut(..text.len()) else { return false };
        place.copy_from_slice(text);
        self.len = text.len();
        true
    }
}

/// Everything that the child reads and writes except its stack. All zero is a valid, empty value.
#[repr(C)]
pub(super) struct Work {
    /// The list request for each kind.
    pub(super) requests: [Text<REQUEST_MAX>; Kind::COUNT],
    pub(super) ids: IdTable,
    pub(super) kept: KeepTable,
    pub(super) leases: LeaseTable,
    pub(super) images: ImageTable,
    pub(super) creates: Creates,
    /// Limit for leases, as the parent computed it.
    pub(super) most_leases: usize,
    /// The request that lists images that have no name and that no other image is built on.
    pub(super) nameless: Text<REQUEST_MAX>,
    /// The request that lists images that others committed from castoff's containers.
    pub(super) committed: Text<REQUEST_MAX>,
    /// Whether the parent owns nothing, by its last message about that.
    pub(super) idle: bool,
    /// Whether everything is to stay, by the parent's last message about that.
    pub(super) hold: bool,
    /// Whether the parent waits for the removal, so that shared resources do not linger.
    pub(super) hurry: bool,
    /// Buffer for whatever is being read.
    pub(super) input: [u8; 16 * 1024],
}

impl Work {
    /// Handles a message from the parent, and the descriptor that came with it.
    pub(super) fn take(&mut self, message: &[u8; RECORD], file: &mut Option<OwnedFd>) {
        let [code, kind, length, _, ref rest @ ..] = *message;
        let number = rest.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let value = rest.get(4..12).and_then(|bytes| bytes.try_into().ok());
        let value = value.map_or(0, u64::from_ne_bytes);
        let text = rest.get(12..usize::from(length).saturating_add(12)).unwrap_or(&[]);
        let Some(op) = Op::from_code(code) else { return };
        match (op, Kind::from_code(kind)) {
            (Op::Disarm, _) => self.idle = true,
            (Op::Arm, _) => self.idle = false,
            (Op::Hold, _) => self.hold = true,
            (Op::Release, _) => self.hold = false,
            (Op::Keep, Some(kind)) => self.kept.insert(kind, value),
            (Op::Lease, Some(kind)) => {
                // If there is no room, the file closes here.
                let file = file.take().filter(|_| self.leases.held().count() < self.most_leases);
                if let Some(file) = file {
                    self.leases.add(number, kind, text, value, file);
                }
            }
            (Op::Left, _) => self.leases.end(number),
            (Op::Image, _) => self.images.add(number, text),
            (Op::Hurry, _) => {
                self.hurry = true;
                self.leases.held().for_each(|lease| lease.linger = 0);
            }
            (Op::Built, _) => self.images.end(number),
            (Op::Creating, _) if number == 0 => self.creates.note(value),
            (Op::Creating, _) => {
                let mut leases = self.leases.held().filter(|lease| lease.number == number);
                if let Some(lease) = leases.next() {
                    lease.creates.note(value);
                }
            }
            _ => {}
        }
    }

    /// Stores the request that lists `kind`; `false` if it is too long.
    pub(super) fn set_request(&mut self, kind: Kind, request: &[u8]) -> bool {
        self.requests.get_mut(kind as usize).is_some_and(|place| place.set(request))
    }
}

/// Create calls without an answer when the parent ended: the engine may still create the resources.
#[repr(C)]
pub(super) struct Creates {
    under_way: u64,
    made: u64,
    /// The number of resources that were found after the parent's end.
    found: u64,
}

impl Creates {
    fn note(&mut self, value: u64) {
        (self.under_way, self.made) = (value & u64::from(u32::MAX), value >> 32);
    }

    pub(super) fn found(&mut self, count: usize) {
        self.found = self.found.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Returns whether nothing more is expected: each call was answered, or as many resources as
    /// there can be were found.
    pub(super) fn are_settled(&self) -> bool {
        self.under_way == 0 || self.found >= self.made
    }
}

/// A lease that the parent holds, through another descriptor of the same open file.
#[repr(C)]
pub(super) struct Lease {
    /// The descriptor; 0 if there is no lease, and [`LATE`] if its file is closed.
    file: RawFd,
    number: u32,
    kind: u8,
    /// Milliseconds for which the resource stays when the parent is gone.
    pub(super) linger: u64,
    pub(super) creates: Creates,
    pub(super) value: Text<SHARED_MAX>,
}

/// Marks a lease whose file is closed, but whose resource the engine may still create.
const LATE: RawFd = -1;

impl Lease {
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind).filter(|_| self.file != 0)
    }

    /// Returns whether all that is left is to look for a resource that is created late.
    pub(super) fn is_late(&self) -> bool {
        self.file == LATE
    }

    /// Releases the lease, but remembers which resource to look for.
    pub(super) fn end_for_now(&mut self) {
        self.end();
        self.file = LATE;
    }

    pub(super) fn file(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        (self.file > 0).then(|| sys::numbered(self.file))
    }

    /// Releases the lease, and with it its lock.
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
        let Some(place) = self.0.iter_mut().find(|lease| lease.file == 0) else { return };
        if place.value.set(value) {
            (place.number, place.kind, place.linger) = (number, kind as u8, linger);
            place.creates = Creates { under_way: 0, made: 0, found: 0 };
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

/// The resources that a list call found and that this round removes.
#[repr(C)]
pub(super) struct IdTable {
    /// Fingerprints of the ids that were ever pushed and counted.
    seen: Prints<FOUND>,
    len: usize,
    ids: [Text<ID_MAX>; IDS],
    traits: [Traits; IDS],
}

impl IdTable {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds `id`; `false` if the table is full or the id too long. `counts` says whether a create
    /// call made the resource: a build also makes intermediate images.
    pub(super) fn push(&mut self, id: &[u8], traits: &Traits, counts: bool) -> bool {
        let added = self.ids.get_mut(self.len).is_some_and(|place| place.set(id));
        if let (true, Some(place)) = (added, self.traits.get_mut(self.len)) {
            *place = *traits;
            if counts {
                // The kind doesn't matter: no two resources have the same id.
                self.seen.insert(fingerprint(Kind::Container, id));
            }
        }
        self.len = self.len.saturating_add(usize::from(added));
        added
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.ids.get(..self.len)?.get(index).map(Text::get)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn traits(&self, index: usize) -> Option<&Traits> {
        self.traits.get(..self.len)?.get(index)
    }

    /// Removes an entry; the last one takes its place.
    pub(super) fn remove(&mut self, index: usize) {
        let last = self.len.saturating_sub(1);
        if index <= last {
            self.ids.swap(index, last);
            self.traits.swap(index, last);
            self.len = last;
        }
    }

    /// Returns how many different ids were pushed and counted.
    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }
}

/// Fingerprints of the resources that must stay.
#[repr(C)]
pub(super) struct KeepTable {
    prints: Prints<KEPT>,
    /// The kinds of kept ids that the table had no room for. Nothing of such a kind is removed any
    /// more: a resource that stays too long is a nuisance, but the removal of a kept one is a loss.
    sealed: [bool; Kind::COUNT],
}

impl KeepTable {
    pub(super) fn holds(&self, kind: Kind, id: &[u8]) -> bool {
        self.is_sealed(kind) || self.prints.holds(fingerprint(kind, id))
    }

    pub(super) fn is_sealed(&self, kind: Kind) -> bool {
        self.sealed.get(kind as usize).is_some_and(|sealed| *sealed)
    }

    /// Returns whether something is left to a sweep.
    pub(super) fn any_sealed(&self) -> bool {
        self.sealed.contains(&true)
    }

    pub(super) fn insert(&mut self, kind: Kind, print: u64) {
        if let (false, Some(sealed)) =
            (self.prints.insert(print), self.sealed.get_mut(kind as usize))
        {
            *sealed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::super::sys::Arena;
    use super::*;

    const NONE: Traits = Traits::NONE;

    fn say(work: &mut Work, message: Message<'_>) {
        work.take(&message.encode(), &mut None);
    }

    #[test]
    fn a_kept_id_is_held_and_no_other() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        say(work, Message::Keep(Kind::Network, "abc"));
        work.take(&[9; RECORD], &mut None);
        work.take(&[0; RECORD], &mut None);
        let kept = &work.kept;
        assert!(kept.holds(Kind::Network, b"abc"));
        assert!(!kept.holds(Kind::Volume, b"abc") && !kept.holds(Kind::Network, b"abd"));
        assert_eq!(kept.prints.len(), 1);
    }

    #[test]
    fn the_last_word_on_being_idle_counts() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        assert!(!work.idle && !work.hold);
        for now in [true, false, true] {
            say(work, Message::Idle(now));
            say(work, Message::Hold(!now));
            say(work, Message::Keep(Kind::Network, "abc"));
            assert_eq!((work.idle, work.hold), (now, !now));
        }
        assert!(work.kept.holds(Kind::Network, b"abc"));
    }

    #[test]
    fn a_lease_comes_with_its_file_and_goes_by_its_number() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        work.most_leases = 2;
        let lease =
            |number| Message::Lease { number, kind: Kind::Volume, value: "0a-1b", linger: 7 };
        say(work, lease(1));
        assert_eq!(work.leases.held().count(), 0, "nothing without a file");
        for number in [1, 2, 3] {
            let mut file = Some(OwnedFd::from(tempfile::tempfile().unwrap()));
            work.take(&lease(number).encode(), &mut file);
            assert!(file.is_none());
        }
        assert_eq!(work.leases.held().count(), 2, "there is no room for a third");
        say(work, Message::Left(1));
        assert_eq!(work.leases.held().count(), 1);
        let held = work.leases.held().next().unwrap();
        assert_eq!((held.number, held.linger), (2, 7));
        assert_eq!((held.kind(), held.value.get()), (Some(Kind::Volume), b"0a-1b".as_slice()));
        say(work, Message::Hurry);
        assert_eq!(work.leases.held().next().unwrap().linger, 0);
        say(work, Message::Left(2));
        assert_eq!(work.leases.held().count(), 0);
    }

    #[test]
    fn a_full_table_seals_the_kind_that_overflowed() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        for n in 0..=MOST_KEPT {
            assert!(!work.kept.is_sealed(Kind::Volume));
            say(work, Message::Keep(Kind::Volume, &format!("v{n}")));
            say(work, Message::Keep(Kind::Volume, "v0"));
        }
        assert!(work.kept.holds(Kind::Volume, b"never kept"));
        assert!(!work.kept.holds(Kind::Container, b"never kept"));
    }

    #[test]
    fn creates_are_settled_when_they_are_answered_or_found() {
        let mut arena = Arena::map().unwrap();
        let work = arena.work();
        assert!(work.creates.are_settled());
        say(work, Message::Creating { lease: 0, under_way: 2, made: 5 });
        work.creates.found(4);
        assert!(!work.creates.are_settled());
        work.creates.found(1);
        assert!(work.creates.are_settled());
        say(work, Message::Creating { lease: 0, under_way: 1, made: 9 });
        assert!(!work.creates.are_settled());
        say(work, Message::Creating { lease: 0, under_way: 0, made: 9 });
        assert!(work.creates.are_settled());
        assert!(work.ids.push(b"a", &NONE, true) && work.ids.push(b"b", &NONE, true));
        work.ids.clear();
        assert!(work.ids.push(b"a", &NONE, true) && work.ids.push(b"c", &NONE, false));
        assert_eq!(work.ids.seen(), 2);
    }

    #[test]
    fn the_id_table_refuses_what_does_not_fit() {
        let mut arena = Arena::map().unwrap();
        let ids = &mut arena.work().ids;
        assert!(!ids.push(&[b'x'; ID_MAX + 1], &NONE, true) && ids.is_empty());
        for n in 0..IDS {
            assert!(ids.push(format!("{n}").as_bytes(), &NONE, true));
        }
        assert!(!ids.push(b"one more", &NONE, true));
        assert_eq!((ids.get(7), ids.get(IDS)), (Some(b"7".as_slice()), None));
        ids.clear();
        assert_eq!(ids.get(0), None);
    }
}

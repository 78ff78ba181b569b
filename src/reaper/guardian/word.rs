//! What a parent says to its guardian, and how that is written.

use super::super::kind::Kind;
use super::http::fingerprint;
use super::work::SHARED_MAX;

/// A message on the parent's stream: a code, a kind, a length, a byte of nothing, a number of 4
/// bytes, a value of 8, and text.
pub(super) const RECORD: usize = 16 + SHARED_MAX;

/// Codes of messages.
pub(super) mod code {
    /// What has this fingerprint is to stay.
    pub(in super::super) const KEEP: u8 = 1;
    /// The parent owns nothing, or something again.
    pub(in super::super) const IDLE: u8 = 2;
    pub(in super::super) const BUSY: u8 = 3;
    /// Everything is to stay, unless the parent says that all is well after all.
    pub(in super::super) const HOLD: u8 = 4;
    pub(in super::super) const WELL: u8 = 5;
    /// The descriptor that comes with it is a lease's, or that lease has ended.
    pub(in super::super) const LEASE: u8 = 6;
    pub(in super::super) const LEFT: u8 = 7;
    /// An image that a step of a build made, or that build has ended.
    pub(in super::super) const SCRAP: u8 = 8;
    pub(in super::super) const BUILT: u8 = 9;
    /// Create calls that have no answer yet.
    pub(in super::super) const CREATING: u8 = 10;
    /// What is shared does not stay any longer than it is used.
    pub(in super::super) const HURRY: u8 = 20;
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
    /// An image without a name that a step of a build made, by the first digits of its id, and, after
    /// a colon, of its parent's if that is known: removed unless the build ends.
    Scrap(u32, &'a str),
    /// What is shared is not to stay for its time: the guardian may end before that.
    Hurry,
    /// That build has ended, and this process has seen to what it made.
    Built(u32),
    /// How many create calls the engine has not answered, and how many resources there may be with
    /// those: the ones under a lease, or, where that is 0, what this process owns.
    Creating { lease: u32, under_way: u32, made: u32 },
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
            Word::Creating { lease, under_way, made } => {
                let both = u64::from(made) << 32 | u64::from(under_way);
                (code::CREATING, Kind::Container, lease, both, "")
            }
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

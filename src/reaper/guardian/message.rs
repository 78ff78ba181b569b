//! Messages from a parent to its guardian, and their encoding.

use super::super::kind::Kind;
use super::http::fingerprint;
use super::work::SHARED_MAX;

/// The length of a message on the parent's stream: a code, a kind, a length, one padding byte, a
/// number of 4 bytes, a value of 8, and text.
pub(super) const RECORD: usize = 16 + SHARED_MAX;

/// The request in a message: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Op {
    /// The resource with this fingerprint is to stay.
    Keep = 1,
    /// The parent owns nothing.
    Disarm = 2,
    /// The parent owns something.
    Arm = 3,
    /// Everything is to stay unless [`Release`](Self::Release) follows.
    Hold = 4,
    /// The end of [`Hold`](Self::Hold).
    Release = 5,
    /// The descriptor that comes with the message is that of a lease.
    Lease = 6,
    /// That lease has ended.
    Left = 7,
    /// A step of a build has made an image.
    Image = 8,
    /// That build has ended.
    Built = 9,
    /// The number of create calls without an answer.
    Creating = 10,
    /// Shared resources do not linger.
    Hurry = 20,
}

impl Op {
    const ALL: [Op; 11] = [
        Op::Keep,
        Op::Disarm,
        Op::Arm,
        Op::Hold,
        Op::Release,
        Op::Lease,
        Op::Left,
        Op::Image,
        Op::Built,
        Op::Creating,
        Op::Hurry,
    ];

    /// Returns the request that a byte stands for.
    pub(super) fn from_code(code: u8) -> Option<Op> {
        Op::ALL.into_iter().find(|op| *op as u8 == code)
    }
}

/// A message from a parent to its guardian.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// A resource that must stay. The id is the one that the engine lists: the full id of a
    /// container or network, the name of a volume.
    Keep(Kind, &'a str),
    /// Whether there is nothing to remove, so that the engine need not be asked when this process
    /// ends. Without a message, there is something.
    Idle(bool),
    /// Whether everything is to stay, even if the process ends without another message.
    Hold(bool),
    /// A lease, sent with its file: the label value of the shared resource, and the milliseconds
    /// for which it stays when this process is gone.
    Lease { number: u32, kind: Kind, value: &'a str, linger: u64 },
    /// The end of that lease.
    Left(u32),
    /// An intermediate image of a build: the first digits of its id, a colon, and those of its
    /// parent's id if known. It is removed unless the build ends.
    Image(u32, &'a str),
    /// A request to let shared resources not linger: the guardian may end before that.
    Hurry,
    /// The end of that build: this process has dealt with its images.
    Built(u32),
    /// The numbers of create calls without an answer, and of resources that may exist with those:
    /// under a lease, or, if that is 0, of all that this process owns.
    Creating { lease: u32, under_way: u32, made: u32 },
}

impl Message<'_> {
    /// Returns the encoded message. Text that is too long is cut, and then matches no label.
    pub(super) fn encode(self) -> [u8; RECORD] {
        let (op, kind, number, value, text) = match self {
            Message::Keep(kind, id) => (Op::Keep, kind, 0, fingerprint(kind, id.as_bytes()), ""),
            Message::Idle(true) => (Op::Disarm, Kind::Container, 0, 0, ""),
            Message::Idle(false) => (Op::Arm, Kind::Container, 0, 0, ""),
            Message::Hold(true) => (Op::Hold, Kind::Container, 0, 0, ""),
            Message::Hold(false) => (Op::Release, Kind::Container, 0, 0, ""),
            Message::Lease { number, kind, value, linger } => {
                (Op::Lease, kind, number, linger, value)
            }
            Message::Left(number) => (Op::Left, Kind::Container, number, 0, ""),
            Message::Image(number, id) => (Op::Image, Kind::Image, number, 0, id),
            Message::Hurry => (Op::Hurry, Kind::Container, 0, 0, ""),
            Message::Built(number) => (Op::Built, Kind::Image, number, 0, ""),
            Message::Creating { lease, under_way, made } => {
                let both = u64::from(made) << 32 | u64::from(under_way);
                (Op::Creating, Kind::Container, lease, both, "")
            }
        };
        let length = u8::try_from(text.len().min(SHARED_MAX)).unwrap_or(0);
        let head = [op as u8, kind as u8, length, 0];
        let numbers = number.to_ne_bytes().into_iter().chain(value.to_ne_bytes());
        let mut message = [0; RECORD];
        let bytes = head.into_iter().chain(numbers).chain(text.bytes());
        for (place, byte) in message.iter_mut().zip(bytes) {
            *place = byte;
        }
        message
    }
}

//! What a parent says to its guardian, and how that is written.

use super::super::kind::Kind;
use super::http::fingerprint;
use super::work::SHARED_MAX;

/// A message on the parent's stream: a code, a kind, a length, one padding byte, a number of 4
/// bytes, a value of 8, and text.
pub(super) const RECORD: usize = 16 + SHARED_MAX;

/// What a message asks of the guardian: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Op {
    /// What has this fingerprint is to stay.
    Keep = 1,
    /// The parent owns nothing.
    Disarm = 2,
    /// The parent owns something again.
    Arm = 3,
    /// Everything is to stay, unless the parent says that all is well after all.
    Hold = 4,
    /// All is well.
    Release = 5,
    /// The descriptor that comes with it is a lease's.
    Lease = 6,
    /// That lease has ended.
    Left = 7,
    /// A step of a build has made an image.
    Image = 8,
    /// That build has ended.
    Built = 9,
    /// Create calls that have no answer yet.
    Creating = 10,
    /// What is shared does not stay any longer than it is used.
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

    /// Returns what a byte asks for.
    pub(super) fn from_code(code: u8) -> Option<Op> {
        Op::ALL.into_iter().find(|op| *op as u8 == code)
    }
}

/// What a parent says to its guardian.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// Leave a resource alone. The id is the one that the engine lists: the full id of a
    /// container or network, the name of a volume.
    Keep(Kind, &'a str),
    /// Whether there is anything to remove, so that the engine need not be asked when this
    /// process ends. Without a message there is.
    Idle(bool),
    /// Whether all is to be left, also if the process ends without another message.
    Hold(bool),
    /// A lease, whose file goes along: under which value of the label what is shared is found,
    /// and for how many milliseconds it stays when this process is gone.
    Lease { number: u32, kind: Kind, value: &'a str, linger: u64 },
    /// That lease is held no more.
    Left(u32),
    /// An image without a name that a step of a build made, by the first digits of its id, and,
    /// after a colon, of its parent's if that is known: removed unless the build ends.
    Image(u32, &'a str),
    /// What is shared is not to stay for its time: the guardian may end before that.
    Hurry,
    /// That build has ended, and this process has seen to what it made.
    Built(u32),
    /// How many create calls the engine has not answered, and how many resources there may be with
    /// those: the ones under a lease, or, where that is 0, what this process owns.
    Creating { lease: u32, under_way: u32, made: u32 },
}

impl Message<'_> {
    /// The message. Text that is too long is cut, which fits no label.
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

//! Messages that the child's stream has no room for yet: a child that was stopped, or that gets no
//! processor, doesn't hold up its parent.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::message::{Message, RECORD};
use crate::forks::UnsharedFd;

/// Messages in their order, without those that a later one made pointless.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Queued>);

#[derive(Debug)]
struct Queued {
    topic: Topic,
    bytes: [u8; RECORD],
    file: Option<Arc<UnsharedFd>>,
}

/// The subject of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Keep,
    Owning,
    Holding,
    Hurry,
    Creating(u32),
    Lease(u32),
    Build(u32),
}

impl Topic {
    fn of(message: Message<'_>) -> Topic {
        match message {
            Message::Keep(..) => Topic::Keep,
            Message::Idle(_) => Topic::Owning,
            Message::Hold(_) => Topic::Holding,
            Message::Hurry => Topic::Hurry,
            Message::Creating { lease, .. } => Topic::Creating(lease),
            Message::Lease { number, .. } | Message::Left(number) => Topic::Lease(number),
            Message::Image(number, _) | Message::Built(number) => Topic::Build(number),
        }
    }
}

impl Outbox {
    pub(super) fn push(&mut self, message: Message<'_>, file: Option<&Arc<UnsharedFd>>) {
        let topic = Topic::of(message);
        // A later message replaces these, so that the queue stays in proportion to what exists.
        let replaces =
            !matches!(message, Message::Keep(..) | Message::Lease { .. } | Message::Image(..));
        if replaces {
            self.0.retain(|earlier| earlier.topic != topic);
        }
        self.0.push_back(Queued { topic, bytes: message.encode(), file: file.cloned() });
    }

    /// Sends the messages that the stream has room for. Returns whether that was all of them.
    pub(super) fn flush(&mut self, stream: &impl AsFd) -> io::Result<bool> {
        while let Some(message) = self.0.front() {
            match rustix::io::retry_on_intr(|| message.send(stream)) {
                // The kernel limits descriptors under way, which are those that the child has not
                // read yet.
                Err(Errno::AGAIN | Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
                Ok(sent) if sent != message.bytes.len() => {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                Ok(_) => drop(self.0.pop_front()),
            }
        }
        Ok(true)
    }
}

impl Queued {
    fn send(&self, stream: impl AsFd) -> rustix::io::Result<usize> {
        #[cfg(not(target_vendor = "apple"))]
        let flags = SendFlags::NOSIGNAL;
        // On these systems, `stream_pair` has set the same as a socket option.
        #[cfg(target_vendor = "apple")]
        let flags = SendFlags::empty();
        let files: Option<[BorrowedFd<'_>; 1]> = self.file.as_ref().map(|file| [file.as_fd()]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        rustix::net::sendmsg(stream, &[IoSlice::new(&self.bytes)], &mut control, flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reaper::Kind;

    #[test]
    fn what_waits_is_no_more_than_what_there_is_to_say() {
        let mut outbox = Outbox::default();
        let file = UnsharedFd::open(|| tempfile::tempfile().map(Into::into)).unwrap();
        let file = Arc::new(file);
        let lease = |number| Message::Lease { number, kind: Kind::Volume, value: "v", linger: 1 };
        for round in 0..1_000 {
            outbox.push(Message::Idle(round % 2 == 0), None);
            outbox.push(Message::Creating { lease: 0, under_way: round, made: round }, None);
            outbox.push(lease(round), Some(&file));
            outbox.push(Message::Image(round, "id"), None);
            outbox.push(Message::Left(round), None);
            outbox.push(Message::Built(round), None);
        }
        assert_eq!(Arc::strong_count(&file), 1, "a lease that has ended needs no file");
        outbox.push(Message::Keep(Kind::Container, "a"), None);
        outbox.push(Message::Keep(Kind::Container, "b"), None);
        outbox.push(lease(5_000), Some(&file));
        outbox.push(Message::Hold(true), None);
        let lasting = |message: &&Queued| !matches!(message.topic, Topic::Lease(n) | Topic::Build(n) if n < 1_000);
        let topics: Vec<_> = outbox.0.iter().filter(lasting).map(|message| message.topic).collect();
        let wanted = [
            Topic::Owning,
            Topic::Creating(0),
            Topic::Keep,
            Topic::Keep,
            Topic::Lease(5_000),
            Topic::Holding,
        ];
        assert_eq!(topics, wanted);
    }
}

//! The parent's side.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, WaitOptions};

use super::address::Address;
use super::child::{self, Plan};
use super::http::{Kind, list_request, nameless_request};
use super::sys::{self, Arena, SignalsBlocked};
use super::work::Word;

/// How long to wait for a child that is behind, in milliseconds.
const FULL_FOR: u64 = 1_000;

/// A child that removes what carries a label once this value, and the process, are gone.
///
/// Dropped while the process lives, it makes the child act at once. A program that forks without
/// `exec` shares it with its child: the guardian acts when both are gone. A program that closes
/// descriptors it doesn't know (a daemon at its start) must not do so after arming.
#[derive(Debug)]
pub(crate) struct Guardian {
    /// A socket, not a pipe: writing to a pipe whose reader was killed would raise SIGPIPE.
    stream: OwnedFd,
}

impl Guardian {
    /// Starts the child. `label` is a label filter's value, `key=value`, images having one of
    /// their own; `lock` is a file whose lock the child holds as well, and which it empties when
    /// nothing is left.
    ///
    /// When this returns, nothing else of this process is held open by the child. If it fails,
    /// there is no child.
    pub(crate) fn arm(
        engine: &Address,
        label: &str,
        image_label: &str,
        lock: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        if label.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the label contains NUL"));
        }
        let mut arena = Arena::map()?;
        for kind in Kind::ALL {
            let label = if kind == Kind::Image { image_label } else { label };
            if !arena.work().set_request(kind, &list_request(kind, label)) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the label is too long"));
            }
        }
        arena.work().nameless.set(&nameless_request());
        let (stream, childs) = stream_pair()?;
        // The first use may have to look for the clock; the child only reads it.
        child::now();
        let lock = lock.map(|lock| lock.as_raw_fd());
        let mut plan = Plan { arena, engine: engine.clone(), stream: childs.as_raw_fd(), lock };
        let pid = {
            let _blocked = SignalsBlocked::new()?;
            #[cfg(target_os = "linux")]
            let range = plan.arena.range();
            #[cfg(target_os = "linux")]
            let _wiped = super::wipe::Wiped::mark(range, &mut plan.arena.work().input);
            sys::fork(child::detach, &mut plan)?
        };
        wait_for(pid)?;
        Ok(Self { stream })
    }

    /// Tells the child something. With a lease goes its file.
    ///
    /// In the unheard-of case that the child is hundreds of messages behind, it waits a second for
    /// room, after which the error is `WouldBlock`. The child remembers 4096 kept ids; if there are more, it removes
    /// nothing more of the kind that exceeded them.
    pub(crate) fn tell(&self, word: Word<'_>, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        #[cfg(not(target_vendor = "apple"))]
        let flags = SendFlags::NOSIGNAL;
        // There, `stream_pair` has set the same as an option.
        #[cfg(target_vendor = "apple")]
        let flags = SendFlags::empty();
        let message = word.encode();
        let files = file.map(|file| [file]);
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if let Some(files) = &files {
                control.push(SendAncillaryMessage::ScmRights(files));
            }
            rustix::net::sendmsg(&self.stream, &[IoSlice::new(&message)], &mut control, flags)
        };
        let mut outcome = rustix::io::retry_on_intr(send);
        if outcome == Err(rustix::io::Errno::AGAIN) {
            let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
            let _ = rustix::event::poll(&mut fds, Some(&child::timespec(FULL_FOR)));
            outcome = rustix::io::retry_on_intr(send);
        }
        let sent = outcome?;
        if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

impl Guardian {
    /// Makes the child act as if this process were gone.
    pub(crate) fn act_now(&self) {
        // Fails when the child is gone, which is noticed next.
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write);
    }

    /// Waits until the child has ended; whether it has by that time.
    pub(crate) fn has_ended_by(&self, end: std::time::Instant) -> bool {
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&child::timespec(left))) {
                Ok(count) => return count > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Both ends close on exec; ours doesn't block.
fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(target_vendor = "apple")]
    let flags = SocketFlags::empty();
    let (ours, childs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    #[cfg(target_vendor = "apple")]
    {
        use rustix::io::{FdFlags, fcntl_setfd};
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        fcntl_setfd(&childs, FdFlags::CLOEXEC)?;
        rustix::net::sockopt::set_socket_nosigpipe(&ours, true)?;
    }
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, childs))
}

/// Waits for the first child, which ends as soon as the second, the guardian, runs.
fn wait_for(pid: Pid) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // __WALL: a child that sends no SIGCHLD is waited for by name and in this way only.
    let options = WaitOptions::from_bits_retain(0x4000_0000);
    #[cfg(not(target_os = "linux"))]
    let options = WaitOptions::empty();
    match rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), options)) {
        Ok(Some((_, status))) => match status.exit_status() {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::Error::other("the guardian was killed while it started")),
        },
        // Where SIGCHLD is ignored, the system has waited for it already.
        Ok(None) | Err(rustix::io::Errno::CHILD) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, ErrorKind, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn at(socket: &std::path::Path) -> Address {
        Address::unix(socket).unwrap()
    }

    #[test]
    fn what_cannot_work_is_refused_before_the_fork() {
        let long = "x".repeat(5_000);
        for socket in [long.as_str(), "/a\0b"] {
            let error = Address::unix(socket.as_ref()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        for label in ["a=\0", &long] {
            let error = Guardian::arm(&at("/s".as_ref()), label, "a=b", None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }

    #[test]
    fn a_child_that_was_told_that_nothing_is_owned_asks_nothing() {
        let (socket, listener) = listener("idle");
        listener.set_nonblocking(true).unwrap();
        let guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Word::Idle(true), None).unwrap();
        ended(&guardian);
        let asked = listener.accept().unwrap_err();
        assert_eq!(asked.kind(), ErrorKind::WouldBlock, "and nobody was asked");
        std::fs::remove_file(socket).unwrap();
    }

    #[test]
    fn a_child_that_was_told_to_hold_asks_nothing() {
        let (socket, listener) = listener("hold");
        listener.set_nonblocking(true).unwrap();
        let file = tempfile::tempfile().unwrap();
        let lock = OwnedFd::from(file);
        rustix::io::pwrite(&lock, b"owned", 0).unwrap();
        use std::os::fd::AsFd;
        let guardian = Guardian::arm(&at(&socket), "a=b", "a=b", Some(lock.as_fd())).unwrap();
        guardian.tell(Word::Hold(true), None).unwrap();
        ended(&guardian);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(rustix::fs::fstat(&lock).unwrap().st_size, 5, "and the file says so");
        std::fs::remove_file(socket).unwrap();
    }

    fn listener(name: &str) -> (std::path::PathBuf, UnixListener) {
        let name = format!("castoff-{name}-{}", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&socket).unwrap();
        (socket, listener)
    }

    /// Ends this process as the child sees it, and waits for the child's own end.
    fn ended(guardian: &Guardian) {
        rustix::net::shutdown(&guardian.stream, rustix::net::Shutdown::Write).unwrap();
        let mut fds = [PollFd::new(&guardian.stream, PollFlags::IN)];
        let ended = rustix::event::poll(&mut fds, Some(&child::timespec(10_000))).unwrap();
        assert_eq!(ended, 1, "it has ended");
    }

    /// Answers so many requests: lists with these ids, everything else with success.
    fn answer(listener: impl Iterator<Item = impl io::Read + Write>, list: &str) -> Vec<String> {
        let mut asked = Vec::new();
        for connection in listener {
            let mut connection = BufReader::new(connection);
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            while connection.read_line(&mut String::new()).unwrap() > 2 {}
            let answer = if line.starts_with("GET") {
                format!("HTTP/1.0 200 OK\n\n{list}")
            } else {
                "HTTP/1.0 204\n\n".to_owned()
            };
            connection.get_mut().write_all(answer.as_bytes()).unwrap();
            asked.push(line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "));
        }
        asked
    }

    #[test]
    fn letting_go_makes_the_child_remove_what_is_not_kept() {
        let (socket, listener) = listener("arm");
        let guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Word::Keep(Kind::Container, "kept"), None).unwrap();
        drop(guardian);
        let connections = listener.incoming().take(4).map(Result::unwrap);
        let asked = answer(connections, r#"[{"Id":"kept"},{"Id":"other"}]"#);
        std::fs::remove_file(socket).unwrap();
        let containers = "GET /containers/json";
        // The list is the same again, so it is asked to remove again; the kept one never is.
        let delete = "DELETE /containers/other";
        assert_eq!(asked, [containers, delete, containers, delete]);
    }

    #[test]
    fn over_tcp_it_is_the_same_and_images_go_last() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let engine = Address::Tcp(listener.local_addr().unwrap());
        drop(Guardian::arm(&engine, "a=b", "c=d", None).unwrap());
        let asked = answer(listener.incoming().take(4).map(Result::unwrap), "[]");
        let lists = ["/containers/json", "/networks", "/volumes", "/images/json"];
        assert_eq!(asked, lists.map(|path| format!("GET {path}")));
    }

    #[test]
    fn a_lease_that_nobody_else_has_is_cleared_and_one_that_somebody_has_is_not() {
        use rustix::fs::FlockOperation::LockShared;
        use std::os::fd::AsFd;
        let (socket, listener) = listener("lease");
        let guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Word::Idle(true), None).unwrap();
        let home = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(home.path().join(name))
                .unwrap()
        };
        let (mine, shared) = (open("mine"), open("shared"));
        for (number, file) in [(1, &mine), (2, &shared)] {
            (&*file).write_all(b"ready").unwrap();
            rustix::fs::flock(file, LockShared).unwrap();
            let value = if number == 1 { "0a-mine" } else { "0a-shared" };
            let word = Word::Lease { number, kind: Kind::Network, value, linger: 0 };
            guardian.tell(word, Some(file.as_fd())).unwrap();
        }
        let other = open("shared");
        rustix::fs::flock(&other, LockShared).unwrap();
        drop((mine, shared, guardian));
        let mut first = listener.accept().unwrap().0;
        let mut line = String::new();
        BufReader::new(&mut first).read_line(&mut line).unwrap();
        assert!(line.starts_with("GET /networks?") && line.contains("castoff.shared%3D0a-mine"));
        first.write_all(b"HTTP/1.0 200 OK\n\n[]").unwrap();
        // Once the lock is free, so is what it did.
        let mine = open("mine");
        rustix::fs::flock(&mine, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert_eq!(mine.metadata().unwrap().len(), 0);
        assert_eq!(other.metadata().unwrap().len(), 5, "the other user sees to it");
        std::fs::remove_file(socket).unwrap();
    }
}

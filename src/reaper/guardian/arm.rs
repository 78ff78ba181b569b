//! The parent's side: starts the guardian and sends it messages.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, WaitOptions};

use super::super::kind::Kind;
use super::address::Address;
use super::child::{self, Plan};
use super::http::{list_request, nameless_request};
use super::message::Message;
use super::outbox::Outbox;
use super::sys::{self, Arena, SignalsBlocked};
use super::work::most_leases;
use crate::forks::{PerProcess, UnsharedFd};

/// Lock held while a guardian is started: one that another thread forks meanwhile would have this
/// one's stream until it has closed what it inherited.
static ARMING: PerProcess<Mutex<()>> = PerProcess::new();

/// The handle of a child that removes what carries a label once this process is gone.
///
/// The child also acts when its stream closes earlier: when this value and all other owners of the
/// stream are dropped, or when the program closes descriptors that it doesn't know, as daemons do
/// at their start. A child that is forked without `exec` does not inherit the stream.
#[derive(Debug)]
pub(crate) struct Guardian {
    /// A socket, not a pipe: writing to a pipe whose reader was killed would raise SIGPIPE.
    stream: Arc<UnsharedFd>,
    outbox: Outbox,
}

impl Guardian {
    /// Starts the child. `label` and, for images, `image_label` are values of a label filter,
    /// `key=value`; `lock` is a file whose lock the child holds as well, and which it empties when
    /// nothing is left.
    ///
    /// When this returns, the child has no other file of this process open. If this fails, there is
    /// no child.
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
        arena.work().committed.set(&list_request(Kind::Image, "castoff.resource"));
        arena.work().most_leases = most_leases();
        sys::watch_forks();
        let _alone = ARMING.here().lock().unwrap_or_else(PoisonError::into_inner);
        let (stream, childs) = stream_pair()?;
        // The first call may have to find the system's clock; in the child it only reads it.
        child::now();
        let lock = lock.map(|lock| lock.as_raw_fd());
        let mut plan = Plan { arena, engine: engine.clone(), stream: childs.as_raw_fd(), lock };
        let pid = {
            let _blocked = SignalsBlocked::new()?;
            sys::fork(child::detach, &mut plan)?
        };
        wait_for(pid)?;
        Ok(Self { stream: Arc::new(stream), outbox: Outbox::default() })
    }

    /// Sends the child a message without blocking; `file` goes with a lease. Returns whether
    /// everything was sent; if not, [`catch_up`](Self::catch_up) must follow once the stream is
    /// writable.
    pub(crate) fn tell(
        &mut self,
        message: Message<'_>,
        file: Option<&Arc<UnsharedFd>>,
    ) -> io::Result<bool> {
        self.outbox.push(message, file);
        self.catch_up()
    }

    /// Sends the messages that still wait. Returns whether that was all of them.
    pub(crate) fn catch_up(&mut self) -> io::Result<bool> {
        self.outbox.flush(&self.stream)
    }

    /// Does the same as [`catch_up`](Self::catch_up), and waits up to a second for room: the
    /// process ends.
    pub(crate) fn catch_up_at_last(&mut self) {
        if matches!(self.catch_up(), Ok(false)) {
            let mut fds = [PollFd::new(&*self.stream, PollFlags::OUT)];
            let _ = rustix::event::poll(&mut fds, Some(&child::timespec(1_000)));
            let _ = self.catch_up();
        }
    }

    /// Returns whether the child still runs.
    pub(crate) fn lives(&self) -> bool {
        lives(&self.stream)
    }

    /// Returns the stream, which becomes readable when the child ends, and writable when it has
    /// room.
    pub(crate) fn stream(&self) -> &Arc<UnsharedFd> {
        &self.stream
    }
}

/// Returns whether the other end is open. The child never writes.
pub(crate) fn lives(stream: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&child::timespec(0))) {
        Ok(_) => !fds
            .iter()
            .any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
        Err(_) => true,
    }
}

impl Guardian {
    /// Makes the child act as if this process were gone.
    pub(crate) fn act_now(&self) {
        // Fails if the child is gone, which is noticed later.
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write);
    }

    /// Waits for the child to end, at most until `end`; returns whether it has ended.
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

/// Creates the two ends of the stream. Both close on exec; ours doesn't block.
fn stream_pair() -> io::Result<(UnsharedFd, UnsharedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(target_vendor = "apple")]
    let flags = SocketFlags::empty();
    // Neither end may be inherited: with a copy of the guardian's, nobody would notice its end.
    let (ours, childs) = UnsharedFd::open_two(|| {
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
    })?;
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

/// Waits for the first child, which exits as soon as the second one, the guardian, runs.
fn wait_for(pid: Pid) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // __WALL: without it, waitpid ignores a child that sends no SIGCHLD.
    let options = WaitOptions::from_bits_retain(0x4000_0000);
    #[cfg(not(target_os = "linux"))]
    let options = WaitOptions::empty();
    match rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), options)) {
        Ok(Some((_, status))) => match status.exit_status() {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::Error::other("the guardian was killed while it started")),
        },
        // Where SIGCHLD is ignored, the system has reaped the child already.
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
        let mut guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Message::Idle(true), None).unwrap();
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
        let mut guardian = Guardian::arm(&at(&socket), "a=b", "a=b", Some(lock.as_fd())).unwrap();
        guardian.tell(Message::Hold(true), None).unwrap();
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

    /// Simulates the end of this process for the child, and waits until the child has ended.
    fn ended(guardian: &Guardian) {
        rustix::net::shutdown(&*guardian.stream, rustix::net::Shutdown::Write).unwrap();
        let mut fds = [PollFd::new(&*guardian.stream, PollFlags::IN)];
        let ended = rustix::event::poll(&mut fds, Some(&child::timespec(10_000))).unwrap();
        assert_eq!(ended, 1, "it has ended");
    }

    /// Answers each connection: list calls with `list`, all other calls with success.
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
        let mut guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Message::Keep(Kind::Container, "kept"), None).unwrap();
        drop(guardian);
        let connections = listener.incoming().take(6).map(Result::unwrap);
        // The list of images is the same, and the container was made of none of them.
        let list = r#"[{"Id":"kept"},{"Id":"other","Names":["/r-1"],"Labels":{"castoff.resource":"r-1"}}]"#;
        let asked = answer(connections, list);
        std::fs::remove_file(socket).unwrap();
        let containers = "GET /containers/json";
        // The list is the same again, so the removal is repeated; the kept container is never
        // removed.
        let delete = "DELETE /containers/other";
        let images = "GET /images/json";
        assert_eq!(asked, [containers, images, delete, containers, images, delete]);
    }

    #[test]
    fn podman_is_told_to_stop_containers_first_and_removes_no_image_by_force() {
        let (socket, listener) = listener("podman");
        drop(Guardian::arm(&at(&socket).of_podman(true), "a=b", "c=d", None).unwrap());
        let mut asked = Vec::new();
        let one = r#"[{"Id":"one","Names":["/r"],"Labels":{"castoff.resource":"r"}}]"#;
        let mut lists =
            [one, "[]", "[]", "[]", r#"{"Volumes":[]}"#, r#"[{"Id":"img"}]"#].into_iter();
        for connection in listener.incoming().take(10) {
            let mut connection = BufReader::new(connection.unwrap());
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            while connection.read_line(&mut String::new()).unwrap() > 2 {}
            let list = if line.starts_with("GET") { lists.next().unwrap_or("[]") } else { "" };
            let answer = format!("HTTP/1.0 {}\n\n{list}", if list.is_empty() { 204 } else { 200 });
            connection.get_mut().write_all(answer.as_bytes()).unwrap();
            asked.push(line.split(" HTTP").next().unwrap_or_default().to_owned());
        }
        std::fs::remove_file(socket).unwrap();
        let calls: Vec<_> = asked.iter().filter(|line| !line.starts_with("GET")).collect();
        let removal = "DELETE /containers/one?force=1&v=1";
        assert_eq!(calls, ["POST /containers/one/stop?t=0", removal, "DELETE /images/img"]);
    }

    #[test]
    fn an_image_that_somebody_elses_container_uses_stays() {
        let (socket, listener) = listener("used");
        let guardian = Guardian::arm(&at(&socket), "a=b", "c=d", None).unwrap();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for connection in listener.incoming().take(8) {
                let mut connection = BufReader::new(connection.unwrap());
                let mut line = String::new();
                connection.read_line(&mut line).unwrap();
                while connection.read_line(&mut String::new()).unwrap() > 2 {}
                let image = |id: &str| {
                    let name = "castoff.image.name";
                    let resource = "castoff.image.resource";
                    format!(
                        r#"{{"Id":"{id}","RepoTags":["{id}:1"],"Labels":{{"{name}":"{id}:1","{resource}":"{id}"}}}}"#
                    )
                };
                let list = match &line {
                    _ if line.contains("ancestor%22%3A%5B%22used%22") => {
                        r#"[{"Id":"user"}]"#.into()
                    }
                    _ if line.starts_with("GET /images/json") => {
                        format!("[{},{}]", image("used"), image("free"))
                    }
                    _ if line.starts_with("GET /volumes") => r#"{"Volumes":[]}"#.into(),
                    _ => "[]".to_owned(),
                };
                let answer = format!("HTTP/1.0 200 OK\n\n{list}");
                connection.get_mut().write_all(answer.as_bytes()).unwrap();
                asked.push(line.split(" HTTP").next().unwrap_or_default().to_owned());
            }
            asked
        });
        drop(guardian);
        let asked = thread.join().unwrap();
        std::fs::remove_file(socket).unwrap();
        let removed: Vec<_> = asked.iter().filter(|line| line.starts_with("DELETE")).collect();
        assert_eq!(removed, ["DELETE /images/free?force=1"], "{asked:?}");
    }

    #[test]
    fn over_tcp_it_is_the_same_and_images_go_last() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let engine = Address::tcp(listener.local_addr().unwrap());
        drop(Guardian::arm(&engine, "a=b", "c=d", None).unwrap());
        let asked = answer(listener.incoming().take(4).map(Result::unwrap), "[]");
        let lists = ["/containers/json", "/networks", "/volumes", "/images/json"];
        assert_eq!(asked, lists.map(|path| format!("GET {path}")));
    }

    #[test]
    fn a_lease_that_nobody_else_has_is_cleared_and_one_that_somebody_has_is_not() {
        use rustix::fs::FlockOperation::LockShared;
        let (socket, listener) = listener("lease");
        let mut guardian = Guardian::arm(&at(&socket), "a=b", "a=b", None).unwrap();
        guardian.tell(Message::Idle(true), None).unwrap();
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
            let file = UnsharedFd::open(|| file.try_clone().map(OwnedFd::from)).unwrap();
            let file = Arc::new(file);
            rustix::io::pwrite(&file, b"ready", 0).unwrap();
            rustix::fs::flock(&file, LockShared).unwrap();
            let value = if number == 1 { "0a-mine" } else { "0a-shared" };
            let message = Message::Lease { number, kind: Kind::Network, value, linger: 0 };
            guardian.tell(message, Some(&file)).unwrap();
        }
        let other = open("shared");
        rustix::fs::flock(&other, LockShared).unwrap();
        drop((mine, shared, guardian));
        let mut first = listener.accept().unwrap().0;
        let mut line = String::new();
        BufReader::new(&mut first).read_line(&mut line).unwrap();
        assert!(line.starts_with("GET /networks?") && line.contains("castoff.shared%3D0a-mine"));
        first.write_all(b"HTTP/1.0 200 OK\n\n[]").unwrap();
        // Once the lock is free, the guardian has done its work.
        let mine = open("mine");
        rustix::fs::flock(&mine, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert_eq!(mine.metadata().unwrap().len(), 0);
        assert_eq!(other.metadata().unwrap().len(), 5, "the other user sees to it");
        std::fs::remove_file(socket).unwrap();
    }

    #[test]
    fn what_a_create_call_without_an_answer_makes_late_is_found_and_only_then_the_file_emptied() {
        use std::os::fd::AsFd;
        let (socket, listener) = listener("late");
        let lock = OwnedFd::from(tempfile::tempfile().unwrap());
        rustix::io::pwrite(&lock, b"owned", 0).unwrap();
        let mut guardian = Guardian::arm(&at(&socket), "a=b", "a=b", Some(lock.as_fd())).unwrap();
        guardian.tell(Message::Creating { lease: 0, under_way: 1, made: 1 }, None).unwrap();
        rustix::net::shutdown(&*guardian.stream, rustix::net::Shutdown::Write).unwrap();
        let mut connections = listener.incoming().map(Result::unwrap);
        // The passes that also follow answered calls, each over four kinds.
        let looks = 4 * (1 + child::QUIET.len());
        let asked = answer(connections.by_ref().take(looks), "[]");
        assert_eq!(asked.len(), looks);
        assert_eq!(rustix::fs::fstat(&lock).unwrap().st_size, 5);
        let late = r#"[{"Id":"late","Names":["/r"],"Labels":{"castoff.resource":"r"}}]"#;
        let asked = answer(connections.by_ref().take(3), late);
        let delete = "DELETE /containers/late";
        assert_eq!(asked, ["GET /containers/json", "GET /images/json", delete]);
        answer(connections.by_ref().take(4 + looks), "[]");
        let mut fds = [PollFd::new(&*guardian.stream, PollFlags::IN)];
        let ended = rustix::event::poll(&mut fds, Some(&child::timespec(10_000))).unwrap();
        assert_eq!((ended, rustix::fs::fstat(&lock).unwrap().st_size), (1, 0));
        std::fs::remove_file(socket).unwrap();
    }

    #[test]
    fn a_child_that_is_stopped_holds_nobody_up_and_catches_up() {
        let (ours, childs) = stream_pair().unwrap();
        let mut guardian = Guardian { stream: Arc::new(ours), outbox: Outbox::default() };
        let mut behind = 0;
        for n in 0..5_000 {
            let told = guardian.tell(Message::Keep(Kind::Volume, &n.to_string()), None).unwrap();
            behind += usize::from(!told);
        }
        assert!(behind > 4_000 && guardian.lives(), "{behind}");
        let mut read = 0;
        while read < 5_000 * crate::reaper::guardian::message::RECORD {
            guardian.catch_up().unwrap();
            read += rustix::io::read(&childs, &mut [0_u8; 4096][..]).unwrap();
        }
        assert!(guardian.catch_up().unwrap());
        drop(childs);
        assert!(!guardian.lives());
        let error = guardian.tell(Message::Idle(true), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}

//! The parent's side.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, WaitOptions};

use super::child::{self, Plan};
use super::http::{Kind, list_request};
use super::sys::{self, Arena, SignalsBlocked};
use super::work::{idle_record, record};

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
    /// Starts the child. `socket` is the engine's; `label` is a label filter's value, `key=value`.
    ///
    /// When this returns, nothing of this process is held open by the child. If it fails, there
    /// is no child.
    pub(crate) fn arm(socket: &Path, label: &str) -> io::Result<Self> {
        if label.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the label contains NUL"));
        }
        let mut arena = Arena::map()?;
        for kind in Kind::ALL {
            if !arena.work().set_request(kind, &list_request(kind, label)) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the label is too long"));
            }
        }
        // The child leaves the working directory.
        let engine = SocketAddrUnix::new(std::path::absolute(socket)?).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} can't be a socket's address: {error}", socket.display()),
            )
        })?;
        let (stream, childs) = stream_pair()?;
        // The first use may have to look for the clock; the child only reads it.
        child::now();
        let mut plan = Plan { arena, engine, stream: childs.as_raw_fd() };
        let pid = {
            let _blocked = SignalsBlocked::new()?;
            sys::fork(child::detach, &mut plan)?
        };
        wait_for(pid)?;
        Ok(Self { stream })
    }

    /// Tells the child to leave a resource alone. `id` is the one that the engine lists: the full
    /// id of a container or network, the name of a volume.
    ///
    /// Never blocks: in the unheard-of case that the child is thousands of messages behind, the
    /// error is `WouldBlock`.
    ///
    /// The child remembers 4096 ids. If there are more, it removes nothing more of the kind that
    /// exceeded them.
    pub(crate) fn keep(&self, kind: Kind, id: &str) -> io::Result<()> {
        self.tell(&record(kind, id))
    }

    /// Tells the child whether there is anything to remove, so that it need not ask the engine
    /// when this process ends. Without a word there is.
    pub(crate) fn idle(&self, idle: bool) -> io::Result<()> {
        self.tell(&idle_record(idle))
    }

    fn tell(&self, message: &[u8]) -> io::Result<()> {
        #[cfg(not(target_vendor = "apple"))]
        let flags = SendFlags::NOSIGNAL;
        // There, `stream_pair` has set the same as an option.
        #[cfg(target_vendor = "apple")]
        let flags = SendFlags::empty();
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.stream, message, flags))?;
        if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
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

    #[test]
    fn what_cannot_work_is_refused_before_the_fork() {
        let long = "x".repeat(5_000);
        for (socket, label) in
            [(long.as_str(), "a=b"), ("/a\0b", "a=b"), ("/s", "a=\0"), ("/s", &long)]
        {
            let error = Guardian::arm(socket.as_ref(), label).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }

    #[test]
    fn a_child_that_was_told_that_nothing_is_owned_asks_nothing() {
        use rustix::event::{PollFd, PollFlags};
        let socket = std::env::temp_dir().join(format!("castoff-idle-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let guardian = Guardian::arm(&socket, "a=b").unwrap();
        guardian.idle(true).unwrap();
        // The end of this process, as the child sees it; the other direction tells of its own.
        rustix::net::shutdown(&guardian.stream, rustix::net::Shutdown::Write).unwrap();
        let mut fds = [PollFd::new(&guardian.stream, PollFlags::IN)];
        let ended = rustix::event::poll(&mut fds, Some(&child::timespec(10_000))).unwrap();
        assert_eq!(ended, 1, "it has ended");
        let asked = listener.accept().unwrap_err();
        assert_eq!(asked.kind(), ErrorKind::WouldBlock, "and nobody was asked");
        std::fs::remove_file(socket).unwrap();
    }

    #[test]
    fn letting_go_makes_the_child_remove_what_is_not_kept() {
        let socket = std::env::temp_dir().join(format!("castoff-arm-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        let guardian = Guardian::arm(&socket, "a=b").unwrap();
        guardian.keep(Kind::Container, "kept").unwrap();
        drop(guardian);
        let mut kinds = Vec::new();
        for connection in listener.incoming().take(4) {
            let mut connection = BufReader::new(connection.unwrap());
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            while connection.read_line(&mut String::new()).unwrap() > 2 {}
            let answer = br#"HTTP/1.0 200 OK

[{"Id":"kept"},{"Id":"other"}]"#;
            let answer =
                if line.contains("containers/json") { &answer[..] } else { b"HTTP/1.0 204\n\n" };
            connection.get_mut().write_all(answer).unwrap();
            kinds.push(line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "));
        }
        std::fs::remove_file(socket).unwrap();
        let containers = "GET /containers/json";
        // The list is the same again, so it is asked to remove again; the kept one never is.
        let delete = "DELETE /containers/other";
        assert_eq!(kinds, [containers, delete, containers, delete]);
    }
}

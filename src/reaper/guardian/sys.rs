//! The crate's only `unsafe` code: fork, the signal mask around it, the mapped arena, and the
//! child's handling of its descriptors and its memory.

#![expect(unsafe_code, reason = "fork and what must go with it exist in no safe form")]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::Pid;

use super::work::Work;
use crate::forks;

/// The descriptor of the stream from the parent.
const STREAM: RawFd = 3;
/// The descriptor of the session's lock file, if there is one.
const LOCK: RawFd = 4;

/// [`Work`] in pages of its own, so that the child can give up the parent's heap.
pub(super) struct Arena(NonNull<Work>);

impl Arena {
    pub(super) fn map() -> io::Result<Self> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
        let start =
            unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), size_of::<Work>(), prot, flags)? };
        NonNull::new(start.cast()).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(super) fn work(&mut self) -> &mut Work {
        // SAFETY: the mapping is page-aligned, large enough, and ours alone; it was all zero, which
        // is a valid `Work` (integers, arrays of integers, and `false`).
        unsafe { self.0.as_mut() }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        let start = self.0.as_ptr().addr();
        start..start.saturating_add(size_of::<Work>())
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this size; no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), size_of::<Work>()) };
    }
}

/// A guard under which all signals are blocked in this thread. A child forked under it keeps them
/// so.
pub(super) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(super) fn new() -> io::Result<Self> {
        let (mut all, mut old) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are valid places to write to, and `old` is read only if written.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr()) {
                0 => Ok(Self(old.assume_init())),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled in by the system.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// Forks; the child runs `body` and exits with the code that it returns. Returns the child's pid.
///
/// `body` may run in a copy of a process with many threads, so it must only make system calls on
/// memory that is mapped already. It is `extern "C"` so that even a panic could not unwind into the
/// caller's frames and make the child a second copy of the program.
pub(super) fn fork<T>(body: extern "C" fn(&mut T) -> i32, state: &mut T) -> io::Result<Pid> {
    // SAFETY: the child runs nothing but `body` (see above) and `_exit`.
    match unsafe { raw_fork() } {
        0 => {
            let code = body(state);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        pid => child_of(pid),
    }
}

/// Converts the parent's result of `fork`. A failure's -1 makes no `Pid`: rustix would panic.
fn child_of(pid: libc::pid_t) -> io::Result<Pid> {
    let child = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    child.ok_or_else(io::Error::last_os_error)
}

/// Makes the bare system call. Unlike libc's fork it takes no locks and runs no handlers, so that
/// it can neither wait for a thread that holds one nor need the heap when the child forks again;
/// and it asks for no SIGCHLD, so that the program's own handlers and `wait` calls never notice the
/// child.
#[cfg(target_os = "linux")]
unsafe fn raw_fork() -> libc::pid_t {
    // flags, stack, parent_tid, then child_tid and tls; s390x has the first two swapped. All are 0.
    let none: libc::c_ulong = 0;
    // SAFETY: without CLONE_VM and with no new stack, this is fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, none, none, none, none, none) };
    libc::pid_t::try_from(pid).unwrap_or(-1)
}

#[cfg(not(target_os = "linux"))]
unsafe fn raw_fork() -> libc::pid_t {
    // The fork handlers must skip this fork: the guardian closes descriptors itself, and needs the
    // session's lock.
    // SAFETY: only asks which thread this is.
    FORKING.store(unsafe { libc::pthread_self() } as usize, Ordering::SeqCst);
    // SAFETY: the caller keeps to what a forked child may do.
    let pid = unsafe { libc::fork() };
    FORKING.store(0, Ordering::SeqCst);
    pid
}

/// The thread that forks a guardian by libc's `fork`, which runs the handlers; 0 if none does.
#[cfg(not(target_os = "linux"))]
static FORKING: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Registers handlers by which each forked child loses the descriptors that stand for this process:
/// see [`forks`]. libc's `fork` runs them; `posix_spawn` and `vfork` don't, but there `exec` closes
/// those descriptors.
pub(crate) fn watch_forks() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Ordering::SeqCst) {
        return;
    }
    // Two threads may both register the handlers: those may run twice.
    // SAFETY: the handlers keep to what may be done there, and don't unwind.
    let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    if failed == 0 {
        WATCHED.store(true, Ordering::SeqCst);
    } else {
        tracing::warn!("a forked child will keep what this process leaves from being removed");
    }
}

extern "C" fn before() {
    forks::before_fork();
}

extern "C" fn in_parent() {
    forks::after_fork(false);
}

/// Replaces the listed descriptors. Other threads' locks may be held forever, so this makes system
/// calls and nothing else.
extern "C" fn in_child() {
    #[cfg(not(target_os = "linux"))]
    // SAFETY: only asks which thread this is.
    if FORKING.load(Ordering::SeqCst) == unsafe { libc::pthread_self() } as usize {
        return;
    }
    forks::after_fork(true);
    forks::count_fork();
    let mut dead: RawFd = -1;
    forks::each_inherited(|fd, file| {
        // SAFETY: the number is only asked about.
        let stat = rustix::fs::fstat(unsafe { BorrowedFd::borrow_raw(fd) });
        // The program may have closed it and opened another file under its number.
        if !stat.is_ok_and(|stat| forks::identity(&stat) == file) {
            return;
        }
        // SAFETY: whoever has the number in this process doesn't use it any more (see
        // `UnsharedFd`); a socket without a peer fails each call.
        unsafe {
            if dead < 0 {
                dead = dead_socket();
            }
            if dead < 0 {
                // The table of descriptors is full: closing this one makes room.
                libc::close(fd);
                dead = dead_socket();
            }
            if dead >= 0 && dead != fd {
                libc::dup2(dead, fd);
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            } else {
                // The socket has this very number, or none could be made.
                dead = -1;
            }
        }
    });
    if dead >= 0 {
        // SAFETY: made above.
        unsafe { libc::close(dead) };
    }
}

unsafe fn dead_socket() -> RawFd {
    // SAFETY: a new descriptor is nobody else's.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) };
    if socket >= 0 {
        // SAFETY: the descriptor was made above.
        unsafe { libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    socket
}

/// Moves `stream` and `lock` to fixed numbers, closes everything else, and opens /dev/null as
/// stdio. Fails with the error's number.
pub(super) fn keep_only(stream: RawFd, lock: Option<RawFd>) -> Result<(), i32> {
    // SAFETY: in the child; whatever else these descriptors were is never used here again.
    unsafe {
        // `dup2` needs no free descriptor: it closes whatever has the given number. The lock takes
        // a detour over a number that is neither of the two, since they may have each other's.
        let spare = (LOCK + 1..).find(|fd| *fd != stream && Some(*fd) != lock).unwrap_or(LOCK);
        let moved = lock.is_none_or(|lock| libc::dup2(lock, spare) >= 0)
            && libc::dup2(stream, STREAM) >= 0
            && (lock.is_none() || libc::dup2(spare, LOCK) >= 0);
        if !moved {
            return Err(rustix::io::Errno::BADF.raw_os_error());
        }
        close_from(if lock.is_some() { LOCK + 1 } else { LOCK });
        for fd in 0..STREAM {
            libc::close(fd);
        }
        // Without a /dev/null, stdio stays closed, which is as good: nothing here uses it.
        if let Ok(null) = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
            let null = std::os::fd::IntoRawFd::into_raw_fd(null);
            libc::dup2(null, 1);
            libc::dup2(null, 2);
        }
    }
    Ok(())
}

/// Returns the stream from the parent, once [`keep_only`] has moved it.
pub(super) fn stream() -> BorrowedFd<'static> {
    // SAFETY: used after `keep_only` only, and nothing closes it.
    unsafe { BorrowedFd::borrow_raw(STREAM) }
}

/// Returns the session's lock file, once [`keep_only`] has moved it. Only used if there is one.
pub(super) fn lock() -> BorrowedFd<'static> {
    // SAFETY: used after `keep_only` only, and nothing closes it.
    unsafe { BorrowedFd::borrow_raw(LOCK) }
}

/// Releases a descriptor that came over the stream as a number, which an all-zero table can hold.
pub(super) fn into_number(file: OwnedFd) -> RawFd {
    std::os::fd::IntoRawFd::into_raw_fd(file)
}

/// Returns the descriptor for a number from [`into_number`].
pub(super) fn numbered<'a>(file: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the table of leases holds the number as long as it is open.
    unsafe { BorrowedFd::borrow_raw(file) }
}

/// Closes the descriptor with a number from [`into_number`].
pub(super) fn close(file: RawFd) {
    // SAFETY: the table of leases forgets the number with this.
    unsafe { libc::close(file) };
}

/// Closes every descriptor from `first` on.
unsafe fn close_from(first: RawFd) {
    #[cfg(target_os = "linux")]
    // SAFETY: as the caller promises, all of them are unused.
    if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } == 0 {
        return;
    }
    // Kernels before 5.9 and other systems: all numbers up to the limit, at most 2^20.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let highest = limit.unwrap_or(u64::MAX).min(1 << 20);
    for fd in first..RawFd::try_from(highest).unwrap_or(RawFd::MAX) {
        // SAFETY: as above; closing what isn't open does nothing.
        unsafe { libc::close(fd) };
    }
}

/// Gives up this process's memory in `range`, which then reads as zeros.
///
/// For the child only, and private memory of no file that nothing here uses (see [`super::maps`]).
#[cfg(target_os = "linux")]
pub(super) fn give_up(range: &std::ops::Range<usize>) {
    let len = range.end.saturating_sub(range.start);
    let start = ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: the child is a copy, so its parent's memory stays as it is; and it runs nothing but
    // `body`, whose memory is not in the range. Parts that are not mapped any more are skipped.
    let _ = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontNeed) };
}

/// Returns the result of `check` in a child of libc's `fork`.
#[cfg(all(test, target_os = "linux"))]
pub(super) fn forked(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: `check` only reads memory.
    match unsafe { libc::fork() } {
        0 => {
            let code = i32::from(!check());
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: a plain wait for that child.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            status == 0
        }
    }
}

/// Returns an address in this thread's local storage.
#[cfg(target_os = "linux")]
pub(super) fn thread_local_address() -> usize {
    // SAFETY: only asks where errno is.
    unsafe { libc::__errno_location() }.addr()
}

/// Registers `hook` for a return from `main` or a call of `exit`. It gets whether the exit code is
/// 0: only glibc's `on_exit` reports that, elsewhere it is `true`.
pub(crate) fn at_exit(hook: fn(bool)) {
    static HOOK: std::sync::OnceLock<fn(bool)> = std::sync::OnceLock::new();
    // No fork may fall into `set`: the child, which has the handler as well, could find the cell
    // locked.
    let section = forks::Opening::enter();
    if HOOK.set(hook).is_err() {
        return;
    }
    drop(section);
    fn run(success: bool) {
        if let Some(hook) = HOOK.get() {
            hook(success);
        }
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn on_exit(
                hook: extern "C" fn(libc::c_int, *mut libc::c_void),
                argument: *mut libc::c_void,
            ) -> libc::c_int;
        }
        extern "C" fn ended(status: libc::c_int, _argument: *mut libc::c_void) {
            run(status == 0);
        }
        // SAFETY: `on_exit` is as declared in glibc's stdlib.h, and `ended` needs no argument.
        unsafe { on_exit(ended, ptr::null_mut()) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        extern "C" fn ended() {
            run(true);
        }
        // SAFETY: `ended` may be called at any time.
        unsafe { libc::atexit(ended) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_that_fails_is_an_error_and_no_panic() {
        // `errno` is that of the last failure in this thread.
        std::fs::metadata("/there/is/no/such/file").unwrap_err();
        assert!(child_of(-1).is_err() && child_of(0).is_err());
        assert_eq!(child_of(7).unwrap(), Pid::from_raw(7).unwrap());
    }
}

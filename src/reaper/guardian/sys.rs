//! The crate's only `unsafe` code: fork, the signal mask around it, the mapped arena, and what the
//! child does to its descriptors and its memory.

#![expect(unsafe_code, reason = "fork and what must go with it exist in no safe form")]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::{self, NonNull};

use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::Pid;

use super::work::Work;

/// The descriptor on which the child listens to its parent.
const STREAM: RawFd = 3;

/// [`Work`] in pages of its own, so that the child can let go of the parent's heap.
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

/// Blocks every signal of this thread until dropped. The child of a fork meanwhile keeps it so.
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

/// Forks; the child runs `body` and exits with what it returns. The parent gets the child's pid.
///
/// `body` may be called in a copy of a process with many threads: it makes system calls on memory
/// that is there and nothing else. It is `extern "C"` so that even a panic could not unwind into
/// the caller's frames and make the child a second copy of the program.
pub(super) fn fork<T>(body: extern "C" fn(&mut T) -> i32, state: &mut T) -> io::Result<Pid> {
    // SAFETY: the child runs nothing but `body` (see above) and `_exit`.
    match unsafe { raw_fork() } {
        0 => {
            let code = body(state);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        pid => Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error),
    }
}

/// The bare system call. Unlike libc's fork it takes no locks and runs no handlers, so that it
/// can neither wait for a thread that holds one nor need the heap when the child forks again; and
/// it asks for no SIGCHLD, so that the program's own handlers and `wait` calls never see the child.
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
    // SAFETY: the caller keeps to what a forked child may do.
    unsafe { libc::fork() }
}

/// Moves `stream` to a fixed place, closes everything else, and puts /dev/null on stdio.
/// Fails with the error's number.
pub(super) fn keep_only(stream: RawFd) -> Result<(), i32> {
    // SAFETY: in the child; whatever else these descriptors were is never used here again.
    unsafe {
        // No room needed: the place is given, and whatever was there goes.
        if libc::dup2(stream, STREAM) < 0 {
            return Err(rustix::io::Errno::BADF.raw_os_error());
        }
        close_from(STREAM.saturating_add(1));
        for fd in 0..STREAM {
            libc::close(fd);
        }
        // Where there is no /dev/null, closed is as good: nothing here uses stdio.
        if let Ok(null) = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
            let null = std::os::fd::IntoRawFd::into_raw_fd(null);
            libc::dup2(null, 1);
            libc::dup2(null, 2);
        }
    }
    Ok(())
}

/// The stream from the parent, once [`keep_only`] has put it into its place.
pub(super) fn stream() -> BorrowedFd<'static> {
    // SAFETY: used after `keep_only` only, and nothing closes it.
    unsafe { BorrowedFd::borrow_raw(STREAM) }
}

/// Closes every descriptor from `first` on.
unsafe fn close_from(first: RawFd) {
    #[cfg(target_os = "linux")]
    // SAFETY: as the caller promises, all of them are unused.
    if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } == 0 {
        return;
    }
    // Kernels before 5.9, and other systems, which allow no more than this many.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let highest = limit.unwrap_or(u64::MAX).min(1 << 20);
    for fd in first..RawFd::try_from(highest).unwrap_or(RawFd::MAX) {
        // SAFETY: as above; closing what isn't open does nothing.
        unsafe { libc::close(fd) };
    }
}

/// Gives back the memory in `range`, which reads as zero from now on.
#[cfg(target_os = "linux")]
pub(super) fn discard(range: std::ops::Range<usize>) {
    let len = range.end.saturating_sub(range.start);
    let start = ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: `shed` passes only parts of the heap that the child copied and never looks at.
    let _ = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontNeed) };
}

/// An address in this thread's local storage.
#[cfg(target_os = "linux")]
pub(super) fn thread_local_address() -> usize {
    // SAFETY: only asks where errno is.
    unsafe { libc::__errno_location() }.addr()
}

//! [`UnsharedFd`]: a descriptor that a forked child does not get.

use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use super::opening::Opening;
use super::process::Process;

/// An open file that shows that this process lives, by its lock or by being open, so that a child
/// must not have it too: at a fork, the child's copy is replaced by a socket without a peer, under
/// the same number.
#[derive(Debug)]
pub(crate) struct UnsharedFd {
    /// `None` during the drop.
    fd: Option<OwnedFd>,
    listed: Option<Listed>,
    process: Process,
}

impl UnsharedFd {
    /// Opens a file in a section that no fork of another thread interrupts.
    pub(crate) fn open<E>(open: impl FnOnce() -> Result<OwnedFd, E>) -> Result<UnsharedFd, E> {
        let _section = Opening::enter();
        open().map(UnsharedFd::enter)
    }

    /// Opens two files at once in such a section.
    pub(crate) fn open_two<E>(
        open: impl FnOnce() -> Result<(OwnedFd, OwnedFd), E>,
    ) -> Result<(UnsharedFd, UnsharedFd), E> {
        let _section = Opening::enter();
        let (one, other) = open()?;
        Ok((UnsharedFd::enter(one), UnsharedFd::enter(other)))
    }

    fn enter(fd: OwnedFd) -> UnsharedFd {
        let listed = Some(Listed::of(&fd));
        UnsharedFd { fd: Some(fd), listed, process: Process::current() }
    }
}

impl Deref for UnsharedFd {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        self.fd.as_ref().expect("it is taken by its drop alone")
    }
}

impl AsFd for UnsharedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl AsRawFd for UnsharedFd {
    fn as_raw_fd(&self) -> RawFd {
        (**self).as_raw_fd()
    }
}

impl Drop for UnsharedFd {
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        if !self.process.is_current() {
            // A child that became a daemon may have closed it, and opened another file under its
            // number.
            let _ = fd.into_raw_fd();
            return;
        }
        let _section = Opening::enter();
        // In this order: another file may get the number as soon as it is free.
        drop(self.listed.take());
        drop(fd);
    }
}

/// An entry of a descriptor in the table. It must be dropped before the descriptor is closed.
#[derive(Debug)]
pub(crate) struct Listed {
    place: &'static Place,
    process: Process,
}

impl Listed {
    /// Adds a descriptor with another owner to the table.
    pub(crate) fn of(fd: impl AsFd) -> Listed {
        let fd = fd.as_fd();
        let place = Place::free();
        if let Ok(stat) = rustix::fs::fstat(fd) {
            let (device, inode) = identity(&stat);
            place.device.store(device, Ordering::SeqCst);
            place.inode.store(inode, Ordering::SeqCst);
            place.fd.store(fd.as_raw_fd(), Ordering::SeqCst);
        }
        Listed { place, process: Process::current() }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if self.process.is_current() {
            self.place.fd.store(FREE, Ordering::SeqCst);
        }
    }
}

/// A slot of the table: a descriptor, and the identity of its file.
#[derive(Debug)]
struct Place {
    fd: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
}

const FREE: i32 = -1;
const TAKEN: i32 = -2;

impl Place {
    const fn empty() -> Place {
        Place { fd: AtomicI32::new(FREE), device: AtomicU64::new(0), inode: AtomicU64::new(0) }
    }

    /// Takes a free slot. The table grows, and never moves.
    fn free() -> &'static Place {
        let mut chunk = &TABLE;
        loop {
            let free = chunk.places.iter().find(|place| {
                let (order, fd) = (Ordering::SeqCst, &place.fd);
                fd.compare_exchange(FREE, TAKEN, order, order).is_ok()
            });
            match free {
                Some(place) => return place,
                None => chunk = chunk.next.get_or_init(|| Box::new(Chunk::empty())),
            }
        }
    }
}

struct Chunk {
    places: [Place; 64],
    next: OnceBox<Chunk>,
}

impl Chunk {
    const fn empty() -> Chunk {
        Chunk { places: [const { Place::empty() }; 64], next: OnceBox::new() }
    }
}

static TABLE: Chunk = Chunk::empty();

/// Returns the device and inode of a file, which identify it while it is open.
#[cfg_attr(
    all(target_os = "linux", target_pointer_width = "64"),
    expect(clippy::unnecessary_cast, reason = "the types differ from system to system")
)]
pub(crate) fn identity(stat: &rustix::fs::Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Removes all descriptors from the table, in a forked child, and calls `each` with each one and
/// the device and inode of its file. Takes no lock and allocates no memory.
pub(crate) fn each_inherited(mut each: impl FnMut(RawFd, (u64, u64))) {
    let mut chunk = Some(&TABLE);
    while let Some(here) = chunk {
        for place in &here.places {
            let fd = place.fd.swap(FREE, Ordering::SeqCst);
            if fd >= 0 {
                let file = [&place.device, &place.inode].map(|part| part.load(Ordering::SeqCst));
                each(fd, file.into());
            }
        }
        chunk = here.next.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a file of that number is in the table, which also has those of other tests.
    fn is_listed(fd: RawFd) -> bool {
        let mut chunk = Some(&TABLE);
        while let Some(here) = chunk {
            if here.places.iter().any(|place| place.fd.load(Ordering::SeqCst) == fd) {
                return true;
            }
            chunk = here.next.get();
        }
        false
    }

    #[test]
    fn a_file_is_listed_as_long_as_it_is_open_however_many_there_are() {
        let open = || UnsharedFd::open(|| tempfile::tempfile().map(OwnedFd::from)).unwrap();
        let mut files: Vec<_> = (0..200).map(|_| open()).collect();
        assert!(files.iter().all(|file| is_listed(file.as_raw_fd())));
        let mut last = files.pop().unwrap();
        drop(last.listed.take());
        assert!(!is_listed(last.as_raw_fd()));
    }
}

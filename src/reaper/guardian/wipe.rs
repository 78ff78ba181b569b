//! A fork that leaves the heap out.
//!
//! Forking copies the page tables of everything that a process has written: 40 ms for a gigabyte.
//! The child looks at none of it. So the parent's heap is marked as one that a child gets empty
//! (madvise(2), `MADV_WIPEONFORK`, Linux 4.14), for the moment of the fork; a fork of another
//! thread that falls into this moment waits it out ([`sys::ForkPause`]).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::ops::Range;

use super::maps;
use super::sys;

/// The marks, taken off again when dropped.
pub(super) struct Wiped {
    ranges: Vec<Range<usize>>,
    _pause: sys::ForkPause,
}

impl Wiped {
    /// Marks what is large, private and of no file, except what the child needs: the arena, this
    /// stack, the thread's own variables. `buffer` is for reading; it may be part of the arena.
    pub(super) fn mark(arena: Range<usize>, buffer: &mut [u8]) -> Wiped {
        let mut ranges = Vec::with_capacity(64);
        let needed = maps::needed(arena);
        let pause = sys::ForkPause::begin();
        maps::heap(buffer, |range| {
            maps::outside(range, &needed, |part| ranges.push(part));
        });
        ranges.retain(|range| sys::wipe_on_fork(range, true));
        Wiped { ranges, _pause: pause }
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        for range in &self.ranges {
            sys::wipe_on_fork(range, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sys::Arena;
    use super::*;
    use std::time::{Duration, Instant};

    /// Lines of the kernel's list that say that a child gets the mapping empty.
    fn wiped() -> usize {
        let list = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = list.lines().filter_map(|line| line.strip_prefix("VmFlags:"));
        flags.filter(|flags| flags.split_whitespace().any(|flag| flag == "wf")).count()
    }

    #[test]
    fn the_marks_are_there_for_a_moment() {
        let heap = vec![1_u8; 64 << 20];
        let mut arena = Arena::map().unwrap();
        let range = arena.range();
        let marks = Wiped::mark(range, &mut arena.work().input);
        let start = heap.as_ptr().addr();
        let (first, last) = (start + 4096, start + heap.len() - 4096);
        let covers = |address| marks.ranges.iter().any(|range| range.contains(&address));
        assert!(covers(first) && covers(last) && wiped() > 0);
        assert!(!covers((&raw const start).addr()), "this stack stays");
        drop(marks);
        // Other tests of this process may have theirs for a moment.
        let began = Instant::now();
        while wiped() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "the marks stay");
            std::thread::yield_now();
        }
        assert!(heap.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_fork_of_another_thread_waits_until_the_marks_are_off() {
        let mut arena = Arena::map().unwrap();
        let range = arena.range();
        let marks = Wiped::mark(range, &mut arena.work().input);
        let forking = std::thread::spawn(|| {
            let heap = vec![7_u8; 8 << 20];
            sys::forked(move || heap.iter().all(|byte| *byte == 7))
        });
        while !sys::ForkPause::is_waited_for() {
            std::thread::yield_now();
        }
        drop(marks);
        assert!(forking.join().unwrap());
    }
}

//! The child's copy of its parent's memory (proc(5), `/proc/self/maps`): the child gives up what it
//! doesn't need, so that no secrets live on there and it doesn't hold on to the parent's pages.
//!
//! It keeps its working memory, whatever is in the same mapping within a MiB of its stack and its
//! thread's variables, and mappings of files with the zero-initialised data that follows them,
//! since code may use those. It works after the fork and without allocating: the parent's memory is
//! not marked, not even for a moment.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::ops::Range;

use rustix::fs::{Mode, OFlags};

use super::sys;

/// Alignment of ranges: no larger pages occur where it matters.
const BLOCK: usize = 1 << 16;
/// Margin that the child's stack and its thread's variables may extend to.
const NEAR: usize = 1 << 20;
/// Limit for the part of a line that is parsed: the end of a path doesn't matter.
const LINE_MAX: usize = 128;

/// Gives up what looks like heap, except what the child needs: the arena, this stack, the thread's
/// own variables. `buffer` is for reading; it may be part of the arena.
pub(super) fn give_up(arena: Range<usize>, buffer: &mut [u8]) {
    let needed = needed(arena);
    heap(buffer, |range| outside(range, &needed, |part| sys::give_up(&part)));
}

/// Returns the ranges that the child needs: the arena, this thread's stack and its variables.
/// Neighbouring mappings appear as one, so any of these may be inside of what looks like heap.
fn needed(arena: Range<usize>) -> [Range<usize>; 3] {
    let here = arena.end;
    [
        around(arena.start, arena.end, BLOCK),
        around((&raw const here).addr(), (&raw const here).addr(), NEAR),
        around(sys::thread_local_address(), sys::thread_local_address(), NEAR),
    ]
}

/// Calls `each` for each range that looks like heap: private, writable, and of no file.
fn heap(buffer: &mut [u8], mut each: impl FnMut(Range<usize>)) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(maps) = rustix::fs::open(c"/proc/self/maps", flags, Mode::empty()) else { return };
    let (mut line, mut len) = ([0_u8; LINE_MAX], 0_usize);
    let mut file_end = 0;
    while let Ok(count @ 1..) = rustix::io::read(&maps, &mut *buffer) {
        for byte in buffer.get(..count).unwrap_or(&[]) {
            if *byte != b'\n' {
                if let Some(place) = line.get_mut(len) {
                    *place = *byte;
                    len = len.saturating_add(1);
                }
                continue;
            }
            let mapping = Mapping::parse(line.get(..len).unwrap_or(&[]));
            len = 0;
            let Some(mapping) = mapping else { continue };
            // The mappings directly after a file's hold its zero-initialised data.
            let follows = mapping.range.start == file_end && !mapping.is_named;
            if mapping.of_file || follows {
                file_end = mapping.range.end;
            } else if mapping.heap_like {
                each(mapping.range);
            }
        }
    }
}

/// Returns the range from `margin` below `start` to `margin` above `end`, in whole blocks.
fn around(start: usize, end: usize, margin: usize) -> Range<usize> {
    let mask = !BLOCK.saturating_sub(1);
    let start = start.saturating_sub(margin) & mask;
    start..end.saturating_add(margin).saturating_add(BLOCK) & mask
}

/// Calls `each` for the parts of `range` that are in none of `holes`.
fn outside(range: Range<usize>, holes: &[Range<usize>], mut each: impl FnMut(Range<usize>)) {
    let mut start = range.start;
    while start < range.end {
        if let Some(hole) = holes.iter().find(|hole| hole.contains(&start)) {
            start = hole.end;
            continue;
        }
        let next = holes.iter().map(|hole| hole.start).filter(|next| *next > start).min();
        let end = next.unwrap_or(range.end).min(range.end);
        each(start..end);
        start = end;
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<usize>,
    of_file: bool,
    /// Whether it has a path, or a name that says what it is for.
    is_named: bool,
    /// Whether it is private, writable, of no file, and not the stack.
    heap_like: bool,
}

impl Mapping {
    /// Parses a line such as `7f00-7f10 rw-p 00000000 00:00 0      [heap]`.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|b| *b == b' ').filter(|field| !field.is_empty());
        let mut ends = fields.next()?.split(|b| *b == b'-');
        let (start, end) = (hex(ends.next()?)?, hex(ends.next()?)?);
        let rights = fields.next()?;
        let inode = fields.nth(2)?;
        let name = fields.next().unwrap_or(b"");
        let of_file = inode != b"0";
        let unnamed = name.is_empty() || name == b"[heap]" || name.starts_with(b"[anon:");
        let heap_like = !of_file && unnamed && rights.starts_with(b"rw") && rights.ends_with(b"p");
        Some(Self { range: start..end, of_file, is_named: !name.is_empty(), heap_like })
    }
}

fn hex(digits: &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for byte in digits {
        let digit = usize::try_from(char::from(*byte).to_digit(16)?).ok()?;
        value = value.checked_mul(16)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_left_out() {
        const M: usize = 1 << 20;
        let parts = |range, holes: &[Range<usize>]| {
            let mut found = Vec::new();
            outside(range, holes, |part| found.push((part.start / M, part.end / M)));
            found
        };
        assert_eq!(parts(M..9 * M, &[]), [(1, 9)]);
        assert_eq!(parts(M..9 * M, &[20 * M..21 * M, 3 * M..4 * M]), [(1, 3), (4, 9)]);
        assert_eq!(parts(M..9 * M, &[2 * M..5 * M, 0..3 * M]), [(5, 9)]);
        assert_eq!(parts(M..9 * M, &[0..9 * M, 0..0]), Vec::<(usize, usize)>::new());
        assert_eq!(around(0x12345, 0x12346, 0), 0x10000..0x20000);
    }

    #[test]
    fn lines_of_maps() {
        let parse =
            |line: &str| Mapping::parse(line.as_bytes()).map(|m| (m.range, m.of_file, m.heap_like));
        let heap = "5581a000-5583b000 rw-p 00000000 00:00 0      [heap]";
        assert_eq!(parse(heap), Some((0x5581_a000..0x5583_b000, false, true)));
        assert_eq!(parse("7f00-7f10 rw-p 00000000 00:00 0 "), Some((0x7f00..0x7f10, false, true)));
        let library = "7f00-7f10 rw-p 001d 103:02 1234  /usr/lib/libc.so.6";
        assert_eq!(parse(library), Some((0x7f00..0x7f10, true, false)));
        for line in [
            "7f00-7f10 rw-p 0000 00:00 0   [stack]",
            "7f00-7f10 r--p 0000 00:00 0",
            "7f00-7f10 ---p 0000 00:00 0",
            "7f00-7f10 rw-s 0000 00:00 0",
        ] {
            assert_eq!(parse(line), Some((0x7f00..0x7f10, false, false)), "{line}");
        }
        for line in ["", "7f00", "7f00-7g10 rw-p 0 0 0", "7f00-7f10 rw-p 0"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_child_gives_its_copy_of_the_heap_up_and_the_parent_keeps_its_own() {
        let heap = vec![7_u8; 32 << 20];
        let mut arena = sys::Arena::map().unwrap();
        let (range, work) = (arena.range(), arena.work());
        work.input.fill(1);
        let here = 5_u8;
        assert!(sys::forked(|| {
            give_up(range, &mut work.input);
            // The kernel may have put it next to the stack or the arena, whose surroundings stay.
            let left = heap.iter().filter(|byte| **byte != 0).count();
            left <= 4 * NEAR && std::hint::black_box(here) == 5
        }));
        assert!(heap.iter().all(|byte| *byte == 7));
        // Without the call, the child has the parent's content.
        assert!(sys::forked(|| heap.iter().all(|byte| *byte == 7)));
    }
}

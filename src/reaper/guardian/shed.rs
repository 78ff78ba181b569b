//! Letting go of the parent's memory.
//!
//! A fork shares the parent's pages until one side writes. A parent that goes on writing its heap
//! would leave the old pages to the child: a gigabyte twice. The child needs none of them.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::ops::Range;

use rustix::fs::{Mode, OFlags};

use super::sys;

/// Smaller pieces aren't worth a system call.
const WORTH_IT: usize = 1 << 20;
/// Long enough for the fields of a line that matter; a path's end doesn't.
const LINE_MAX: usize = 128;

/// Discards the inherited heap, but not the arena, this stack, or the thread's own variables.
pub(super) fn shed(arena: Range<usize>, buffer: &mut [u8]) {
    let Ok(maps) = rustix::fs::open(c"/proc/self/maps", OFlags::RDONLY, Mode::empty()) else {
        return;
    };
    let here = buffer.len();
    let needed = [sys::thread_local_address(), (&raw const here).addr()];
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
            if mapping.of_file {
                file_end = mapping.range.end;
            } else if mapping.heap_like
                // What follows a file directly is its zero-initialised data.
                && mapping.range.start != file_end
                && !needed.iter().any(|address| mapping.range.contains(address))
            {
                discard_around(mapping.range, &arena);
            }
        }
    }
}

/// Neighbouring mappings appear as one: the arena may be inside.
fn discard_around(range: Range<usize>, arena: &Range<usize>) {
    let below = range.start..range.end.min(arena.start & !0xffff);
    let above = range.start.max(arena.end.saturating_add(0xffff) & !0xffff)..range.end;
    for part in [below, above] {
        if part.end.saturating_sub(part.start) >= WORTH_IT {
            sys::discard(part);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<usize>,
    of_file: bool,
    /// Private, writable, of no file, and not the stack.
    heap_like: bool,
}

impl Mapping {
    /// `7f00-7f10 rw-p 00000000 00:00 0      [heap]`
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
        Some(Self { range: start..end, of_file, heap_like })
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
}

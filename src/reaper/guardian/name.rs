//! The child's own name and environment (proc(5)). Copies of the parent's would match `pkill -f`
//! and the CI servers that end all processes with their mark in the environment, and secrets would
//! live on in them.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

/// The content of the child's `/proc/PID/cmdline`.
const NAME: &[u8] = b"castoff-guard\0";
/// Limit for the size of arguments or environment: no system allows more, whatever one reports.
const LONGEST: u64 = 64 << 20;

/// Overwrites the arguments with the name, and the environment with zeros. Leaves what it can't
/// overwrite. `buffer` is for reading.
pub(super) fn take_own(buffer: &mut [u8]) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(stat) = rustix::fs::open(c"/proc/self/stat", flags, Mode::empty()) else { return };
    let Ok(count) = rustix::io::read(&stat, &mut *buffer) else { return };
    let Some(place) = buffer.get(..count).and_then(Place::parse) else { return };
    // Written as a file: an address that isn't writable is then an error and no crash.
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let Ok(memory) = rustix::fs::open(c"/proc/self/mem", flags, Mode::empty()) else { return };
    clear(&memory, place.arguments);
    clear(&memory, place.environment);
    let (start, end) = place.arguments;
    // If the last byte isn't zero, the kernel reads up to the first zero, not to the end.
    let _ = rustix::io::pwrite(&memory, b".", end.saturating_sub(1));
    let room = usize::try_from(end.saturating_sub(start)).unwrap_or(0).min(NAME.len());
    let _ = rustix::io::pwrite(&memory, NAME.get(..room).unwrap_or(&[]), start);
}

fn clear(memory: &OwnedFd, (mut start, end): (u64, u64)) {
    const ZEROS: [u8; 1024] = [0; 1024];
    while start < end {
        let left = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let zeros = ZEROS.get(..left.min(ZEROS.len())).unwrap_or(&[]);
        match rustix::io::pwrite(memory, zeros, start) {
            Ok(written @ 1..) => start = start.saturating_add(written as u64),
            _ => return,
        }
    }
}

/// The ranges of the arguments and the environment.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    arguments: (u64, u64),
    environment: (u64, u64),
}

impl Place {
    /// Parses fields 48 to 51; the second field, a name in brackets, may contain anything.
    fn parse(stat: &[u8]) -> Option<Place> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = stat.get(name_end.checked_add(2)?..)?;
        let mut fields = rest.split(|byte| byte.is_ascii_whitespace()).skip(45).map(decimal);
        let mut range = || {
            let (start, end) = (fields.next()??, fields.next()??);
            (start > 0 && start < end && end.saturating_sub(start) <= LONGEST)
                .then_some((start, end))
        };
        let arguments = range()?;
        // There may be no environment.
        Some(Place { arguments, environment: range().unwrap_or((0, 0)) })
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let mut value = (!digits.is_empty()).then_some(0_u64)?;
    for byte in digits {
        let digit = u64::from(char::from(*byte).to_digit(10)?);
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::sys;
    use super::*;

    #[test]
    fn the_place_is_read_whatever_the_program_is_called() {
        let fields: Vec<String> = (4..=52).map(|n| (n * 1000).to_string()).collect();
        let stat = format!("7 (a) R (b) S {}\n", fields.join(" "));
        let place = Place::parse(stat.as_bytes()).unwrap();
        assert_eq!((place.arguments, place.environment), ((48_000, 49_000), (50_000, 51_000)));
        for strange in ["", "7 (a)", "7 (a) S 1 2 3", "7 (a) S x"] {
            assert_eq!(Place::parse(strange.as_bytes()), None, "{strange}");
        }
    }

    #[test]
    fn a_child_has_its_own_name_and_no_environment_and_the_parent_keeps_both() {
        let read = |what: &str| std::fs::read(format!("/proc/self/{what}")).unwrap();
        let before = (read("cmdline"), read("environ"));
        let mut buffer = [0; 4096];
        assert!(sys::forked(|| {
            take_own(&mut buffer);
            let nothing = read("environ").iter().all(|byte| *byte == 0);
            read("cmdline") == NAME && nothing
        }));
        assert_eq!((read("cmdline"), read("environ")), before);
    }
}

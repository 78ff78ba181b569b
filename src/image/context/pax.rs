//! Records of pax in front of an archive entry's header (POSIX, "pax Interchange Format").
//!
//! The `tar` crate splits them at line breaks, which the values of attributes may contain.

use std::io::{self, Read};

use bytes::Bytes;

use crate::engine::{CAPABILITY, Content, TreeEntry};

/// The records of an entry that are used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Further {
    /// The mtime in nanoseconds since 1970.
    modified: Option<i64>,
    capability: Option<Bytes>,
}

/// Reads the headers in front of an entry's own.
pub(super) fn read(mut headers: impl Read) -> io::Result<Further> {
    let mut further = Further::default();
    let mut block = [0; 512];
    while headers.read_exact(&mut block).is_ok() {
        let header = tar::Header::from_byte_slice(&block);
        let Ok(size) = header.entry_size() else { break };
        let mut data = Vec::new();
        headers.by_ref().take(size).read_to_end(&mut data)?;
        let padding = (512 - size % 512) % 512;
        io::copy(&mut headers.by_ref().take(padding), &mut io::sink())?;
        if header.entry_type().is_pax_local_extensions() {
            further.records(&data);
        }
    }
    Ok(further)
}

impl Further {
    /// Parses records: each is its own length in digits, a space, `key=value` and a line break.
    fn records(&mut self, mut data: &[u8]) {
        while let Some((length, record)) = first(data) {
            let mut parts = record.splitn(2, |byte| *byte == b'=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            match std::str::from_utf8(key) {
                Ok("mtime") => self.modified = std::str::from_utf8(value).ok().and_then(nanos),
                Ok(key) if key.strip_prefix("SCHILY.xattr.") == Some(CAPABILITY) => {
                    self.capability = Some(Bytes::copy_from_slice(value));
                }
                _ => {}
            }
            data = &data[length..];
        }
    }

    pub(super) fn add_to(self, entry: &mut TreeEntry) {
        entry.modified = self.modified.unwrap_or(entry.modified);
        if let Content::Part { capability, .. } = &mut entry.content {
            *capability = self.capability;
        }
    }
}

/// Returns the first record without its length and line break, and its total length.
fn first(data: &[u8]) -> Option<(usize, &[u8])> {
    let blank = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..blank]).ok()?.parse().ok()?;
    let record = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
    Some((length, record))
}

/// Converts seconds such as `-1.5` to nanoseconds.
fn nanos(seconds: &str) -> Option<i64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits: String = part.chars().chain("000000000".chars()).take(9).collect();
    let (whole, part): (i64, i64) = (whole.parse().ok()?, digits.parse().ok()?);
    let part = if seconds.starts_with('-') { -part } else { part };
    whole.checked_mul(1_000_000_000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_may_hold_anything_and_end_where_they_make_no_sense() {
        let mut further = Further::default();
        further.records(b"13 mtime=1.5\n36 SCHILY.xattr.security.capability=\n\n=x\n99 a=b\n");
        let value = further.capability.as_deref();
        assert_eq!((further.modified, value), (Some(1_500_000_000), None));
        further.records(b"40 SCHILY.xattr.security.capability=\n\n=\n9 a=b\n\n\n\n");
        assert_eq!(further.capability.as_deref(), Some(&b"\n\n="[..]));
        for odd in [&b""[..], b"x", b"0 a=b\n", b"-1 a", b"99999999999999999999 a=b\n", b"2 "] {
            let mut further = Further::default();
            further.records(odd);
            assert_eq!(further, Further::default());
        }
    }

    #[test]
    fn parts_of_seconds_count_from_zero() {
        assert_eq!(nanos("-1.5"), Some(-1_500_000_000));
        assert_eq!(nanos("-0.25"), Some(-250_000_000));
        assert_eq!(nanos("12.0000000019"), Some(12_000_000_001));
        assert_eq!((nanos("x"), nanos("1.x"), nanos("99999999999")), (None, None, None));
    }
}

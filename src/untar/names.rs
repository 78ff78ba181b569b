//! [`ShortNames`]: an archive reader that limits the length of names.

use std::io::{self, Read};

/// Limit for the bytes of a long name, or of the extended attributes of one entry. The longest path
/// of Linux has 4,096, an extended attribute 64 KiB.
const LONGEST: u64 = 1024 * 1024;

const BLOCK: usize = 512;

/// A reader that passes an archive through and fails at a name that is too long, before all of it
/// is in memory: the tar crate reads names as a whole, of any size that an archive declares.
pub(crate) struct ShortNames<R> {
    archive: R,
    block: Vec<u8>,
    /// The remaining bytes of the current entry's body.
    body: u64,
    /// The records of an extended header read so far, and their total length.
    records: Option<(Vec<u8>, usize)>,
    /// The size of the next entry, if such a record gives it.
    size: Option<u64>,
    /// Whether the next block continues the map of a sparse file.
    map: bool,
}

impl<R: Read> Read for ShortNames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(into)?;
        self.look_at(into.get(..read).unwrap_or_default())?;
        Ok(read)
    }
}

impl<R> ShortNames<R> {
    pub(crate) fn new(archive: R) -> ShortNames<R> {
        let block = Vec::with_capacity(BLOCK);
        ShortNames { archive, block, body: 0, records: None, size: None, map: false }
    }

    fn look_at(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let in_body = self.body > 0 && !self.map;
            let wanted = match in_body {
                true => usize::try_from(self.body).unwrap_or(usize::MAX),
                false => BLOCK - self.block.len(),
            };
            let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if in_body {
                self.body -= piece.len() as u64;
                self.record(piece);
                continue;
            }
            self.block.extend_from_slice(piece);
            if self.block.len() == BLOCK {
                self.header()?;
                self.block.clear();
            }
        }
        Ok(())
    }

    /// Collects the records of an extended header, and reads the size from them at its end.
    fn record(&mut self, piece: &[u8]) {
        if let Some((records, length)) = &mut self.records {
            let left = *length - records.len();
            records.extend(piece.iter().take(left));
        }
        if self.body == 0
            && let Some((records, _)) = self.records.take()
        {
            self.size = size_in(&records).or(self.size);
        }
    }

    fn header(&mut self) -> io::Result<()> {
        let byte = |at: usize| self.block.get(at).copied().unwrap_or(0);
        if self.map {
            self.map = byte(504) != 0;
            return Ok(());
        }
        let mut size = number(self.block.get(124..136).unwrap_or_default());
        match byte(156) {
            kind @ (b'L' | b'K' | b'x' | b'g') => {
                if size > LONGEST {
                    let message = format!("a name in the archive has {size} bytes, at most 1 MiB");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                if kind == b'x' {
                    self.records = Some((Vec::new(), usize::try_from(size).unwrap_or(0)));
                }
            }
            kind => {
                size = self.size.take().unwrap_or(size);
                self.map = kind == b'S' && byte(482) != 0;
            }
        }
        self.body = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        Ok(())
    }
}

/// Parses a number field: octal digits, or the binary form for large numbers.
fn number(field: &[u8]) -> u64 {
    match field.split_first() {
        Some((first, _)) if first & 0x80 != 0 => {
            let last = field.get(field.len().saturating_sub(8)..).unwrap_or_default();
            last.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        _ => {
            let digits = field.iter().filter(|byte| (b'0'..=b'7').contains(*byte));
            digits.fold(0, |number: u64, digit| number.wrapping_mul(8) + u64::from(digit - b'0'))
        }
    }
}

/// Returns the `size` among records of the form `LENGTH KEY=VALUE`.
fn size_in(records: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(records);
    let mut record = text.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix("size="));
    record.next_back()?.parse().ok()
}

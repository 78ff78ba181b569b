//! [`Exactly`]: the content of a file whose length has been announced.

use std::io::{self, Read};

/// A reader that fails, with the file's name, if its content does not have the announced length.
///
/// An archive contains a file's length before its content. A file that changes meanwhile would
/// break the archive, or be cut off; so would the files of procfs and sysfs, which report no true
/// length.
pub(crate) struct Exactly<R> {
    content: R,
    name: String,
    length: u64,
    left: u64,
}

impl<R: Read> Exactly<R> {
    pub(crate) fn new(content: R, length: u64, name: impl Into<String>) -> Exactly<R> {
        Exactly { content, name: name.into(), length, left: length }
    }

    fn changed(&self, how: &str) -> io::Error {
        let Exactly { name, length, .. } = self;
        let message = format!(
            "{name}: became {how} than its {length} bytes while it was read (is it written to?)"
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return match self.content.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(self.changed("longer")),
            };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.content.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(self.changed("shorter"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_long_as_was_said_is_read_and_nothing_else() {
        let read = |length| {
            let mut content = Vec::new();
            Exactly::new(&b"four"[..], length, "a/file").read_to_end(&mut content).map(|_| content)
        };
        assert_eq!(read(4).unwrap(), b"four");
        for (length, how) in [(5, "shorter"), (3, "longer"), (0, "longer")] {
            let error = read(length).unwrap_err().to_string();
            assert!(error.starts_with("a/file: ") && error.contains(how), "{error}");
        }
    }
}

//! Parts of URLs.

use std::fmt::Write;

/// Percent-encodes all but what RFC 3986 calls unreserved, so that the text can be any part.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("Az09-._~"), "Az09-._~");
        assert_eq!(encode("p@ss/w:rd %?#"), "p%40ss%2Fw%3Ard%20%25%3F%23");
        assert_eq!(encode("ü"), "%C3%BC");
    }
}

//! The grammar of image references, as in `distribution/reference`: one predicate per production.

/// Returns whether a text is an image id: `sha256:` and 64 lower-case hex digits, or the digits
/// alone, or the first 12 of them, as in `docker images`.
pub(super) fn is_image_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    matches!(hex.len(), 12 | 64) && hex.bytes().all(is_lower_hex)
}

/// Returns whether a text is a host name or an IPv6 address in brackets, with an optional port.
pub(super) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    }
    host.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

/// Returns whether a text is components joined by slashes.
pub(super) fn is_repository(text: &str) -> bool {
    text.split('/').all(is_component)
}

/// Returns whether a text is runs of lower-case letters and digits, joined by `.`, `_`, `__` or any
/// number of dashes.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(|b| word(*b));
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.split(|b| word(*b)).all(|separator| match separator {
            [] | [b'.'] | [b'_'] | [b'_', b'_'] => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        })
}

/// Returns whether a text is a letter, digit or underscore, and up to 127 more of these, dots and
/// dashes.
pub(super) fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Returns whether a text is an algorithm, a colon, and hex digits: as many as the algorithm has,
/// or at least 32.
pub(super) fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let known = |length: usize| hex.len() == length && hex.bytes().all(is_lower_hex);
    match algorithm {
        "sha256" => known(64),
        "sha384" => known(96),
        "sha512" => known(128),
        _ => {
            algorithm.split(['-', '_', '+', '.']).all(|part| {
                part.starts_with(|c: char| c.is_ascii_alphabetic())
                    && part.bytes().all(|b| b.is_ascii_alphanumeric())
            }) && hex.len() >= 32
                && hex.bytes().all(|b| b.is_ascii_hexdigit())
        }
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        for good in ["docker.io", "a", "A-b.c:5000", "[::1]", "[fe80::1]:80", "127.0.0.1:1"] {
            assert!(is_registry(good), "{good}");
        }
        for bad in ["", "a..b", "-a", "a-", "a:", "a:x", "[]", "[::g]", "a_b", "a:1:2", "[::1"] {
            assert!(!is_registry(bad), "{bad}");
        }
    }

    #[test]
    fn components() {
        for good in ["a", "0", "a.b", "a_b", "a__b", "a---b", "a-b_c.d"] {
            assert!(is_component(good), "{good}");
        }
        for bad in ["", "A", "a.", "_a", "a___b", "a..b", "a.-b", "a+b", "é"] {
            assert!(!is_component(bad), "{bad}");
        }
    }

    #[test]
    fn digests_of_other_algorithms() {
        assert!(is_digest(&format!("blake3+x:{}", "aB".repeat(16))));
        assert!(is_digest(&format!("sha512:{}", "a".repeat(128))));
        for bad in [format!("sha512:{}", "a".repeat(64)), format!("3x:{}", "a".repeat(40))] {
            assert!(!is_digest(&bad), "{bad}");
        }
    }
}
